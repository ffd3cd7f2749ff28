"""Power of the paired design by simulation. Each simulated study is tested as the report tests a real one."""

from dataclasses import dataclass

import numpy as np
import scipy

from modelhub.results.base import Interval, Part
from modelhub.stats.crossed import Cells, Spread, mean_spread
from modelhub.stats.multiplicity import wilson_interval
from modelhub.stats.paired import exact_means, paired_tests
from modelhub.stats.ratings import FloatArray, IntArray


@dataclass(frozen=True)
class PowerDesign:
    """What is planned and assumed. All in points of the scale, as differences test minus base.

    `sd_participants` is how much participants differ in their true difference, `sd_prompts` how much prompts do,
    `sd_residual` the rest within one pair of ratings. Ratings are whole points from `low` to `high`. Participants have
    prompts of their own; with `shared_prompts` all have the same, with a `pool` each draws theirs from so many.
    """

    participants: int
    prompts: int
    difference: float
    sd_participants: float = 0.4
    sd_prompts: float = 0.3
    sd_residual: float = 1.4
    shared_prompts: bool = False
    pool: int | None = None
    margin: float | None = None
    low: int = 1
    high: int = 5

    @property
    def prompts_in_all(self) -> int | None:
        """How many prompts participants share; None where each has their own."""
        return self.prompts if self.shared_prompts else self.pool


class PlannedPower(Part):
    """Shares of simulated studies. `impossible` says why no data could reject at this level, "" where they can.

    `power_limit` is about what more and more participants would reach with the same prompts; None where prompts are
    participants' own, since it is 1 there.
    """

    simulations: int
    power: float
    power_ci: Interval
    mean_rated_difference: float
    smallest_p: float
    impossible: str
    power_limit: float | None
    non_inferiority_power: float | None


def simulate_power(design: PowerDesign, *, simulations: int = 1000, level: float = 0.05, seed: int = 0) -> PlannedPower:
    """Return the share of simulated studies that reject at `level`, with its Monte-Carlo interval.

    The p-value is the report's headline: over participants, and over prompts as well where they are shared. With a
    margin, also how often non-inferiority is shown.

    Raises:
        ValueError: a number is out of range.
    """
    _check(design, simulations)
    rng = np.random.default_rng(seed)
    rejected = non_inferior = 0
    total = 0.0
    for _ in range(simulations):
        prompts = _prompts(design, rng)
        cells = Cells(np.repeat(np.arange(design.participants), design.prompts), prompts.ravel())
        values = _rated_differences(design, prompts, rng).ravel()
        spread = mean_spread(cells, values)
        p = _headline(cells, values, spread)
        rejected += p is not None and p <= level
        total += float(values.mean())
        non_inferior += design.margin is not None and _lower_bound(spread) > -design.margin
    interval = wilson_interval(rejected, simulations)
    assert interval is not None
    return PlannedPower(
        simulations=simulations,
        power=rejected / simulations,
        power_ci=interval,
        mean_rated_difference=total / simulations,
        smallest_p=_smallest_p(design),
        impossible=_impossible(design, level),
        power_limit=_limit(design, level),
        non_inferiority_power=None if design.margin is None else non_inferior / simulations,
    )


def _check(design: PowerDesign, simulations: int) -> None:
    if design.participants < 2 or design.prompts < 1 or simulations < 1:
        raise ValueError("a design needs at least two participants, one prompt and one simulation")
    if min(design.sd_participants, design.sd_prompts, design.sd_residual) < 0:
        raise ValueError("a standard deviation cannot be negative")
    if design.margin is not None and design.margin <= 0:
        raise ValueError("a margin is a positive number of points")
    if design.low >= design.high:
        raise ValueError("the scale needs at least two points")
    if design.pool is not None and (design.shared_prompts or design.pool < design.prompts):
        raise ValueError("a pool holds at least as many prompts as each participant gets, who do not all get the same")


def _prompts(design: PowerDesign, rng: np.random.Generator) -> IntArray:
    """Return which prompt each participant gets at each place, shape (participants, prompts)."""
    shape = (design.participants, design.prompts)
    if design.pool is not None:
        order = rng.random((design.participants, design.pool)).argsort(axis=1)
        return np.asarray(order[:, : design.prompts])
    if design.shared_prompts:
        return np.broadcast_to(np.arange(design.prompts), shape)
    return np.arange(design.participants * design.prompts).reshape(shape)


def _rated_differences(design: PowerDesign, prompts: IntArray, rng: np.random.Generator) -> FloatArray:
    """Return each pair's rated difference in whole points, shape (participants, prompts)."""
    true = (
        design.difference
        + rng.normal(0, design.sd_participants, (design.participants, 1))
        + rng.normal(0, design.sd_prompts, int(prompts.max()) + 1)[prompts]
        + rng.normal(0, design.sd_residual, prompts.shape)
    )
    # Both ratings lie about the middle of the scale, half the difference to either side of a common level.
    middle = rng.normal((design.low + design.high) / 2, 0.7, prompts.shape)
    test = np.clip(np.rint(middle + true / 2), design.low, design.high)
    base = np.clip(np.rint(middle - true / 2), design.low, design.high)
    return np.asarray(test - base)


def _headline(cells: Cells, values: FloatArray, spread: Spread | None) -> float | None:
    whole = values.astype(int).tolist()
    people = exact_means(cells.person, whole)
    prompts = exact_means(cells.prompt, whole) if cells.is_crossed else []
    return paired_tests(people, prompts, spread, cells, seed=0).headline


def _lower_bound(spread: Spread | None) -> float:
    limits = spread.interval(confidence=0.90) if spread else None
    return limits[0] if limits else -np.inf


def _smallest_p(design: PowerDesign) -> float:
    units = min(design.participants, design.prompts_in_all or design.participants)
    return float(2.0 ** (1 - units))


def _impossible(design: PowerDesign, level: float) -> str:
    shared = design.prompts_in_all
    if shared is not None and 2.0 ** (1 - shared) > level:
        return f"{shared} shared prompts cannot reject at {level:g}, however many participants rate them"
    if 2.0 ** (1 - design.participants) > level:
        return f"{design.participants} participants cannot reject at {level:g}, however many prompts they rate"
    return ""


def _limit(design: PowerDesign, level: float) -> float | None:
    """Return the power of the t-test over prompts alone, whose means are then known without error."""
    shared = design.prompts_in_all
    if shared is None:
        return None
    if shared < 2 or 2.0 ** (1 - shared) > level:
        return 0.0
    if not design.sd_prompts:
        return 1.0 if design.difference else level
    size, critical = design.difference * shared**0.5 / design.sd_prompts, scipy.stats.t.ppf(1 - level / 2, shared - 1)
    beyond = scipy.stats.nct.sf(critical, shared - 1, size) + scipy.stats.nct.cdf(-critical, shared - 1, size)
    return float(beyond)
