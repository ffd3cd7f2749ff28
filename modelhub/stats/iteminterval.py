"""Intervals of agreement over items, with the raters as they are, without resampling.

On small and skewed tables these cover better than a bootstrap: docs/statistics.md has the table.
"""

from dataclasses import dataclass

import numpy as np
import scipy

from modelhub.results.agreement import MeasureInterval
from modelhub.stats.ratings import FloatArray

FEWEST_FOR_INTERVAL = 10
FEWEST_FOR_GOOD_COVERAGE = 40
FEWEST_THAT_VARY = 4
ITEMS_ONLY = "item sampling only, raters fixed"
_CERTAIN = 1e-9
_Z = float(scipy.special.ndtri(0.975))


@dataclass(frozen=True)
class LeftOut:
    """A coefficient, and its values without one item: `without` and `sizes` have a number for each pattern of items.

    `chance` is the agreement expected by chance, where the coefficient corrects for it. NaN in `without` is undefined.
    """

    value: float | None
    without: FloatArray
    sizes: FloatArray
    chance: float | None = None

    @classmethod
    def of(cls, value: float, without: FloatArray, sizes: FloatArray, *, chance: float | None = None) -> "LeftOut":
        """Return the coefficient with None for NaN."""
        return cls(None if np.isnan(value) else float(value), without, sizes, chance)


def none_because(reason: str) -> MeasureInterval:
    """Return that there is no interval, with the code of why."""
    return MeasureInterval(ci=None, method=None, reason=reason, warnings=[])


def too_few(items: int) -> str | None:
    """Return why so many items with two ratings are too few for any interval, or None."""
    return "single_item" if items == 1 else "few_items" if items < FEWEST_FOR_INTERVAL else None


def share_interval(values: FloatArray, sizes: FloatArray) -> MeasureInterval:
    """Return the interval of a mean of items' values between 0 and 1; `sizes` says how many items have each value.

    Clopper and Pearson's at the effective number of items: as many independent items of 0 or 1 as give the mean its
    variance, never fewer than there are. Where all items are 0 or 1 it is exact; where all are alike it keeps a width.
    Source: Korn & Graubard (1998), Confidence intervals for proportions with small expected number of positive counts.
    """
    items = int(sizes.sum())
    reason = too_few(items)
    if reason:
        return none_because(reason)
    mean = float(np.average(values, weights=sizes))
    variance = float(np.average((values - mean) ** 2, weights=sizes))
    smaller = _Z / float(scipy.stats.t.ppf(0.975, items - 1))
    effective = items * max(1.0, mean * (1 - mean) / variance * smaller**2) if variance > _CERTAIN else float(items)
    low, high = clopper_pearson(mean * effective, effective)
    return MeasureInterval(
        ci=(low, high),
        method=f"Clopper-Pearson at the effective number of items, {ITEMS_ONLY}",
        reason=None,
        warnings=[],
    )


def clopper_pearson(hits: float, n: float) -> tuple[float, float]:
    """Return the exact 95 % interval of a share; neither number need be whole. Source: Clopper & Pearson (1934)."""
    low = 0.0 if hits < _CERTAIN else float(scipy.special.betaincinv(hits, n - hits + 1, 0.025))
    high = 1.0 if n - hits < _CERTAIN else float(scipy.special.betaincinv(hits + 1, n - hits, 0.975))
    return low, high


def corrected_share_interval(share: MeasureInterval, chance: float) -> MeasureInterval:
    """Return the interval of (share - chance) / (1 - chance) where chance does not depend on the ratings."""
    if share.ci is None:
        return share
    low, high = ((limit - chance) / (1 - chance) for limit in share.ci)
    return share.model_copy(update={"ci": (low, high)})


def coefficient_interval(found: LeftOut, *, items: int, varying: int) -> MeasureInterval:
    """Return the interval of a coefficient from -1 to 1 by the jackknife over items, on the scale of Fisher's z.

    Args:
        items: how many have two ratings or more; one less are the degrees of freedom.
        varying: in how many of them any rating is other than the most frequent value.

    Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 11; Fisher (1921) for z.
    """
    reason = too_few(items)
    if found.value is None or reason:
        return none_because(reason or "no_variation")
    if found.value > 1 - _CERTAIN:
        return _of_full_agreement(found.chance, items)
    if np.isnan(found.without).any():
        return none_because("single_item_decides")
    error = _jackknife_error(found)
    if error < _CERTAIN or found.value < -1 + _CERTAIN:
        return none_because("items_all_alike")
    half = float(scipy.stats.t.ppf(0.975, items - 1)) * error / (1 - found.value**2)
    z = np.arctanh(found.value)
    return MeasureInterval(
        ci=(float(np.tanh(z - half)), float(np.tanh(z + half))),
        method=f"jackknife over items on Fisher's z, {ITEMS_ONLY}",
        reason=None,
        warnings=few_warnings(items, varying),
    )


def few_warnings(items: int, varying: int) -> list[str]:
    """Return what makes an interval from so many items undercover."""
    warnings = ["ci_undercovers"] if items < FEWEST_FOR_GOOD_COVERAGE else []
    return [*warnings, "few_items_vary"] if varying < FEWEST_THAT_VARY else warnings


def full_agreement_interval(worst: float, items: int) -> MeasureInterval:
    """Return how far below 1 a coefficient may be though no item shows any disagreement.

    The share of items with some is at most Clopper and Pearson's upper limit, and none takes more than `worst` off the
    coefficient if all items had it: the largest disagreement that the scale allows, over that expected by chance.
    """
    share = clopper_pearson(0, items)[1]
    return MeasureInterval(
        ci=(max(-1.0, 1 - share * worst), 1.0),
        method=f"Clopper-Pearson limit of disagreeing items, each as far apart as the scale allows, {ITEMS_ONLY}",
        reason=None,
        warnings=["perfect_agreement_interval"],
    )


def _of_full_agreement(chance: float | None, items: int) -> MeasureInterval:
    if chance is None:
        return none_because("items_all_alike")
    return full_agreement_interval(1 / (1 - chance), items)


def _jackknife_error(found: LeftOut) -> float:
    items = found.sizes.sum()
    mean = np.average(found.without, weights=found.sizes)
    return float(np.sqrt((items - 1) / items * (found.sizes * (found.without - mean) ** 2).sum()))
