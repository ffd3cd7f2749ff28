"""How far an estimate would be off with other participants, and with other prompts where participants share them.

People who rate the same prompts share what is peculiar to these prompts, however many people there are. The variance
of an estimate is then that over participants and that over prompts, less that over single cells, which both of the
others hold. Each is the delete-one jackknife's. Source: Clark (1973), The language-as-fixed-effect fallacy; Cameron,
Gelbach & Miller (2011), Robust inference with multiway clustering; Efron & Tibshirani (1993), chapter 11.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

import numpy as np
import scipy

from modelhub.results.base import Interval
from modelhub.stats.multiplicity import wilson_interval_of_share
from modelhub.stats.ratings import FloatArray, IntArray

# Of rows of sums, shape (k, m), to estimates, shape (k,) or (k, s).
Estimator = Callable[[FloatArray], FloatArray]
_NOTHING = 1e-12


@dataclass(frozen=True)
class Spread:
    """An estimate with its standard error and degrees of freedom; `clusters` is the smaller number of units sampled."""

    estimate: float
    error: float
    df: float
    clusters: int

    @property
    def varies(self) -> bool:
        """Whether anything varies; without, there is no error to go by."""
        return self.error > _NOTHING

    def p(self) -> float | None:
        """Return the two-sided p of the t-test against 0; None where nothing varies."""
        if not self.varies:
            return None
        return float(2 * scipy.stats.t.sf(abs(self.estimate) / self.error, self.df))

    def interval(self, *, confidence: float = 0.95, span: float | None = None) -> Interval | None:
        """Return the t-interval, within -span to span where one is given; None where nothing varies."""
        if not self.varies:
            return None
        half = float(scipy.stats.t.ppf((1 + confidence) / 2, self.df)) * self.error
        most = np.inf if span is None else span
        return float(max(self.estimate - half, -most)), float(min(self.estimate + half, most))

    def bounded_interval(self, low: float, high: float) -> Interval:
        """Return Wilson's score interval for a mean of values from `low` to `high`; it stays within them.

        Its sample size is the one that gives a share so far along the range the variance that was found, scaled by t
        for few units; the number of units where nothing varies. Source: Korn & Graubard (1998), Confidence intervals
        for proportions with small expected number of positive counts; Dean & Pagano (2015).
        """
        share = min(1.0, max(0.0, (self.estimate - low) / (high - low)))
        size = float(self.clusters)
        if self.varies and 0 < share < 1:
            scale = float(scipy.special.ndtri(0.975) / scipy.stats.t.ppf(0.975, self.df))
            size = share * (1 - share) * ((high - low) / self.error * scale) ** 2
        below, above = wilson_interval_of_share(share, size)
        return low + min(share, below) * (high - low), low + max(share, above) * (high - low)


@dataclass(frozen=True)
class Sums:
    """Sums, shape (m,), and what they are without each participant, prompt and cell, shape (units, m).

    `prompts` and `cells` are None where prompts are no sample of their own.
    """

    total: FloatArray
    people: FloatArray
    prompts: FloatArray | None
    cells: FloatArray | None


class Cells:
    """Which participant rated which prompt, in the order of the rows given; a cell is all that is alike in both."""

    def __init__(self, people: Iterable[Hashable], prompts: Iterable[Hashable] | None) -> None:
        self.person, self.n_people = group_codes(people)
        self.prompt, self.n_prompts = (self.person, self.n_people) if prompts is None else group_codes(prompts)
        pairs, self.cell = np.unique(self.person * max(1, self.n_prompts) + self.prompt, return_inverse=True)
        self.cell_person, self.cell_prompt = pairs // max(1, self.n_prompts), pairs % max(1, self.n_prompts)
        # Prompts that nobody shares are part of their participant.
        self.is_crossed = prompts is not None and len(pairs) > self.n_prompts

    @property
    def is_complete(self) -> bool:
        """Whether every participant rated every prompt once."""
        return len(self.person) == len(self.cell_person) == self.n_people * self.n_prompts

    @property
    def why_no_spread(self) -> str | None:
        """Why nothing can be said of other participants or prompts; None if it can."""
        if not len(self.person):
            return "no_data"
        if self.n_people < 2:
            return "single_participant"
        return "single_prompt" if self.is_crossed and self.n_prompts < 2 else None

    def sums(self, values: FloatArray) -> Sums:
        """Return the sums of `values`, shape (rows, m), in which every row weighs the same."""
        total = values.sum(axis=0)
        people = total - _added(self.person, values, self.n_people)
        if not self.is_crossed:
            return Sums(total, people, None, None)
        cells = _added(self.cell, values, len(self.cell_person))
        return Sums(total, people, total - _added(self.prompt, values, self.n_prompts), total - cells)

    def means(self, values: FloatArray) -> Sums:
        """Return the sums over participants of their means of `values`, shape (rows, m).

        The first column must be 1 throughout: it counts the participants who are left.
        """
        sizes = np.bincount(self.person, minlength=self.n_people).astype(float)
        own = _added(self.person, values, self.n_people)
        means = own / sizes[:, None]
        total = means.sum(axis=0)
        if not self.is_crossed:
            return Sums(total, total - means, None, None)
        per_cell = _added(self.cell, values, len(self.cell_person))
        left = sizes[self.cell_person] - np.bincount(self.cell, minlength=len(self.cell_person))
        # A participant who rated nothing else is gone with the cell.
        without = np.divide(
            own[self.cell_person] - per_cell, left[:, None], out=np.zeros_like(per_cell), where=left[:, None] > 0
        )
        change = without - means[self.cell_person]
        return Sums(
            total, total - means, total + _added(self.cell_prompt, change, self.n_prompts), total + change
        )  # fmt: skip


def spread_of(sums: Sums, estimator: Estimator) -> Spread | None:
    """Return the spread of a smooth function of sums.

    None with fewer than two participants, or fewer than two prompts where these are a sample, or where the estimate is
    undefined without some participant, prompt or cell. The degrees of freedom are Satterthwaite's; a variance that
    comes out below that of participants or of prompts alone counts as that one.
    """
    estimate = float(estimator(sums.total[None, :])[0])
    left = [estimator(part) for part in (sums.people, sums.prompts, sums.cells) if part is not None]
    if any(len(part) < 2 or np.isnan(part).any() for part in left) or np.isnan(estimate):
        return None
    variances = [_jackknife_variance(part) for part in left]
    n = len(sums.people)
    if sums.prompts is None or sums.cells is None:
        return Spread(estimate, variances[0] ** 0.5, n - 1.0, n)
    k, cells = len(sums.prompts), len(sums.cells)
    variance, df = combined(variances[0], n - 1.0, variances[1], k - 1.0, variances[2], cells - 1.0)
    return Spread(estimate, variance**0.5, df, min(n, k))


def combined(
    people: float, people_df: float, prompts: float, prompts_df: float, cells: float, cells_df: float
) -> tuple[float, float]:
    """Return the variance over participants and prompts from the three parts, and its degrees of freedom.

    A component that is estimated as negative counts as none (Searle, Casella & McCulloch, 1992, 4.4): with it, the sum
    gets too small for Satterthwaite's formula, and the test loses most of its power.
    """
    if min(people, prompts) <= cells:
        return max((people, people_df), (prompts, prompts_df))
    both = people + prompts - cells
    if both <= 0:
        return 0.0, min(people_df, prompts_df)
    return both, both**2 / (people**2 / people_df + prompts**2 / prompts_df + cells**2 / cells_df)


def mean_spread(cells: Cells, values: FloatArray) -> Spread | None:
    """Return the spread of the mean over participants of their means of `values`, shape (rows,).

    On a complete crossing it is from mean squares, so that its test is the quasi-F of one mean (Clark, 1973); without
    shared prompts it gives the t-interval over participants.
    """
    if cells.is_crossed and cells.is_complete and min(cells.n_people, cells.n_prompts) > 1:
        return _of_mean_squares(cells, values)
    sums = cells.means(np.stack([np.ones_like(values), values], axis=1))
    return spread_of(sums, lambda rows: ratio(rows[:, 1], rows[:, 0]))


def _of_mean_squares(cells: Cells, values: FloatArray) -> Spread:
    n, k = cells.n_people, cells.n_prompts
    table = np.empty((n, k))
    table[cells.person, cells.prompt] = values
    grand, rows, columns = table.mean(), table.mean(axis=1), table.mean(axis=0)
    residual = table - rows[:, None] - columns[None, :] + grand
    variance, df = combined(
        float(((rows - grand) ** 2).sum()) / (n - 1) / n, n - 1.0,
        float(((columns - grand) ** 2).sum()) / (k - 1) / k, k - 1.0,
        float((residual**2).sum()) / ((n - 1) * (k - 1)) / (n * k), (n - 1.0) * (k - 1.0),
    )  # fmt: skip
    return Spread(float(grand), variance**0.5, df, min(n, k))


def group_codes(names: Iterable[Hashable]) -> tuple[IntArray, int]:
    """Return each name as the number of its group, shape (n,), and how many groups there are."""
    numbers: dict[Hashable, int] = {}
    codes = [numbers.setdefault(name, len(numbers)) for name in names]
    return np.array(codes, dtype=np.int64), len(numbers)


def ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Return the quotients; NaN where the divisor is not positive."""
    return np.divide(above, below, out=np.full_like(below, np.nan), where=below > _NOTHING)


def _added(groups: IntArray, values: FloatArray, count: int) -> FloatArray:
    columns = [np.bincount(groups, weights=column, minlength=count) for column in values.T]
    return np.stack(columns, axis=1)


def _jackknife_variance(left: FloatArray) -> float:
    return (len(left) - 1) / len(left) * float(((left - left.mean()) ** 2).sum())
