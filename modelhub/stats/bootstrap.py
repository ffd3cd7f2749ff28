"""Alpha's interval by resampling items."""

import numpy as np
import scipy

from modelhub.results.agreement import MeasureInterval
from modelhub.stats.alpha import Patterns, alpha_of_weights, alpha_without_one_item
from modelhub.stats.distance import squared_differences
from modelhub.stats.iteminterval import (
    FEWEST_FOR_GOOD_COVERAGE,
    ITEMS_ONLY,
    full_agreement_interval,
    none_because,
    too_few,
)
from modelhub.stats.ratings import FloatArray

REPLICATES = 1000
_MOST_UNDEFINED = 0.05
_ALIKE = 1e-9
_TAIL = 0.025
# Largest number of weights held at once: 40 MB of floats.
_CHUNK = 5_000_000


def alpha_interval(patterns: Patterns, estimate: float, *, seed: int, replicates: int = REPLICATES) -> MeasureInterval:
    """Return the 95 % BCa interval of alpha under item sampling with fixed raters; percentile where BCa is undefined.

    There is none where a single item decides whether alpha is defined, or where all items are alike in disagreement;
    without any disagreement it is one-sided. Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, 14.3.
    """
    items = int(patterns.sizes.sum())
    reason = too_few(items)
    if reason:
        return none_because(reason)
    if estimate > 1 - _ALIKE:
        return full_agreement_interval(_largest_disagreement(patterns), items)
    without = alpha_without_one_item(patterns)
    if without is not None and np.isnan(without).any():
        return none_because("single_item_decides")
    draws = _draw(patterns, seed=seed, replicates=replicates)
    return _interval(draws, estimate, without, patterns)


def _interval(draws: FloatArray, estimate: float, without: FloatArray | None, patterns: Patterns) -> MeasureInterval:
    defined = draws[~np.isnan(draws)]
    if len(defined) < 2:
        return none_because("bootstrap_undefined")
    sizes = patterns.sizes.astype(float)
    levels = _bca_levels(defined, estimate, without, sizes)
    low, high = np.quantile(defined, levels or (_TAIL, 1 - _TAIL))
    if high - low < _ALIKE:
        return none_because("items_all_alike")
    warnings = ["ci_unreliable"] if 1 - len(defined) / len(draws) > _MOST_UNDEFINED else []
    warnings += ["ci_undercovers"] if sizes.sum() < FEWEST_FOR_GOOD_COVERAGE else []
    method = f"{'BCa' if levels else 'percentile'}, {len(draws)} replicates, {ITEMS_ONLY}"
    return MeasureInterval(ci=(float(low), float(high)), method=method, reason=None, warnings=warnings)


def _largest_disagreement(patterns: Patterns) -> float:
    """Return the largest difference between two values over the one expected between any two ratings."""
    margins = (patterns.sizes @ patterns.counts).astype(float)
    distance = squared_differences(patterns.level, patterns.numbers, margins)
    total = margins.sum()
    return float(distance.max() / (margins @ distance @ margins / (total * (total - 1))))


def _draw(patterns: Patterns, *, seed: int, replicates: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    items = int(patterns.sizes.sum())
    share = patterns.sizes / items
    step = max(1, _CHUNK // max(1, len(share)))
    return np.concatenate(
        [
            alpha_of_weights(patterns, rng.multinomial(items, share, size=min(step, replicates - start)).astype(float))
            for start in range(0, replicates, step)
        ]
    )


def _bca_levels(
    draws: FloatArray, estimate: float, without: FloatArray | None, sizes: FloatArray
) -> tuple[float, float] | None:
    """Return the two quantiles that BCa asks for, or None where bias or acceleration is undefined."""
    if without is None:
        return None
    below = float(np.mean(draws < estimate) + np.mean(draws == estimate) / 2)
    deviation = np.average(without, weights=sizes) - without
    scale = float((sizes * deviation**2).sum()) ** 1.5
    if not 0 < below < 1 or scale == 0:
        return None
    acceleration = float((sizes * deviation**3).sum()) / (6 * scale)
    bias = scipy.special.ndtri(below)
    z = bias + scipy.special.ndtri(np.array([_TAIL, 1 - _TAIL]))
    adjusted = scipy.special.ndtr(bias + z / (1 - acceleration * z))
    return float(adjusted[0]), float(adjusted[1])
