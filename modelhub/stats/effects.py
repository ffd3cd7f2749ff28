"""Pairs of ratings, and the effects in them that stand beside the mean difference."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import scipy

from modelhub.results.base import Interval
from modelhub.results.comparison import Effects, Favouring, WinTieLoss
from modelhub.stats.crossed import Cells, ratio, spread_of
from modelhub.stats.ratings import FloatArray


class PairedRating(NamedTuple):
    """What one participant gave to the two systems on one item."""

    participant: str
    item: str
    base: Fraction | int
    test: Fraction | int

    @property
    def difference(self) -> Fraction | int:
        """Test minus base, exact."""
        return self.test - self.base


def paired_effects(
    pairs: Sequence[PairedRating], differences: FloatArray, means: Sequence[Fraction], cells: Cells
) -> Effects:
    """Return effects with their intervals, which generalise over what `cells` has.

    `differences` are those of the pairs, `means` those of participants.
    """
    signs = np.sign(differences)
    ranked = np.zeros(len(pairs))
    ranked[signs != 0] = scipy.stats.rankdata(np.abs(differences[signs != 0]))
    base, test = (np.array([float(getattr(pair, side)) for pair in pairs]) for side in ("base", "test"))
    ones = np.ones(len(pairs))
    superiority, superiority_ci = _bounded(cells, ones, (signs + 1) / 2, low=0.0)
    # Matched pairs: favourable less unfavourable share of the ranks, zeros left out (Kerby, 2014). The interval takes
    # the ranks as they are in all pairs.
    biserial, biserial_ci = _bounded(cells, ranked, signs * ranked, low=-1.0)
    delta, delta_ci = _bounded(cells, ones, _placements(base, test), low=-1.0)
    standardized, standardized_ci = _standardized(base, test, cells)
    return Effects(
        win_tie_loss=WinTieLoss(win=int((signs > 0).sum()), tie=int((signs == 0).sum()), loss=int((signs < 0).sum())),
        favouring=Favouring(
            test=sum(mean > 0 for mean in means),
            base=sum(mean < 0 for mean in means),
            neither=sum(mean == 0 for mean in means),
        ),
        p_superiority=superiority,
        p_superiority_ci=superiority_ci,
        rank_biserial=biserial,
        rank_biserial_ci=biserial_ci,
        cliffs_delta_unpaired=delta,
        cliffs_delta_unpaired_ci=delta_ci,
        standardized=standardized,
        standardized_ci=standardized_ci,
    )


def _bounded(cells: Cells, below: FloatArray, above: FloatArray, *, low: float) -> tuple[float | None, Interval | None]:
    """Return a ratio of sums over pairs that lies between `low` and 1, with its score interval."""
    if not below.any():
        return None, None
    found = spread_of(cells.sums(np.stack([below, above], axis=1)), lambda rows: ratio(rows[:, 1], rows[:, 0]))
    value = float(np.clip(above.sum() / below.sum(), low, 1))
    return value, found.bounded_interval(low, 1.0) if found else None


def _placements(base: FloatArray, test: FloatArray) -> FloatArray:
    """Return values of pairs whose mean is Cliff's delta, and whose spread is that of delta to first order.

    A pair tells how its test rating stands among all base ratings, and its base rating among all test ratings.
    Source: Cliff (1993), Dominance statistics: ordinal analyses to answer ordinal questions.
    """
    if not len(base):
        return base
    of_test, of_base = _dominance(test, base), -_dominance(base, test)
    return np.asarray(of_test + of_base - of_test.mean())


def _dominance(values: FloatArray, others: FloatArray) -> FloatArray:
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, side="left")
    above = len(ordered) - np.searchsorted(ordered, values, side="right")
    return np.asarray((below - above) / len(ordered))


def _standardized(base: FloatArray, test: FloatArray, cells: Cells) -> tuple[float | None, Interval | None]:
    """Return the mean difference over the root mean variance of both systems' ratings (Cohen, 1988, d_av)."""
    if not len(base):
        return None, None
    unit = max(1e-300, float(np.abs([base, test]).max()))  # of no consequence, but squares stay finite
    base, test = base / unit, test / unit
    sums = cells.means(np.stack([np.ones_like(base), test, base, test**2, base**2], axis=1))
    value = float(standardized_difference(sums.total[None, :])[0])
    if np.isnan(value):
        return None, None
    found = spread_of(sums, standardized_difference)
    return value, found.interval() if found else None


def standardized_difference(rows: FloatArray) -> FloatArray:
    """Return first minus second mean over the root of both sides' mean variance, of rows of (n, x, y, x², y²)."""
    first, second, first_squared, second_squared = (ratio(column, rows[:, 0]) for column in rows[:, 1:].T)
    squares = first_squared + second_squared
    variance = (squares - first**2 - second**2) / 2
    # What rounding leaves of no variance is none.
    return np.asarray(ratio(first - second, np.sqrt(np.where(variance > 1e-12 * squares, variance, 0.0))))
