"""Confidence intervals by resampling items."""

from dataclasses import dataclass

import numpy as np
import scipy

from modelhub.stats.alpha import Patterns, alpha_of_weights, alpha_without_one_item
from modelhub.stats.ratings import FloatArray

REPLICATES = 1000
# Largest number of weights held at once: 40 MB of floats.
_CHUNK = 5_000_000


@dataclass(frozen=True)
class Interval:
    """A confidence interval and how it came about. `undefined_share` is that of replicates without a value."""

    low: float
    high: float
    method: str
    undefined_share: float


def alpha_interval(
    patterns: Patterns, estimate: float, *, seed: int, replicates: int = REPLICATES, confidence: float = 0.95
) -> Interval | None:
    """Return the BCa interval of alpha under item sampling with fixed raters; percentile where BCa is undefined.

    None if hardly any replicate has a value. Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, 14.3.
    """
    draws = _draw(patterns, seed=seed, replicates=replicates)
    defined = draws[~np.isnan(draws)]
    undefined = 1 - len(defined) / len(draws)
    if len(defined) < 2:
        return None
    jackknife = alpha_without_one_item(patterns)
    return interval(
        defined, estimate, jackknife, patterns.sizes.astype(float), confidence=confidence, undefined=undefined
    )


def interval(
    draws: FloatArray,
    estimate: float,
    jackknife: FloatArray | None,
    sizes: FloatArray,
    *,
    confidence: float = 0.95,
    undefined: float = 0.0,
) -> Interval:
    """Return the BCa interval from bootstrap `draws`, shape (b,), and leave-one-out values with their `sizes`, (p,).

    Without leave-one-out values it is the percentile interval.
    """
    tail = (1 - confidence) / 2
    levels = _bca_levels(draws, estimate, jackknife, sizes, tail)
    method = "percentile" if levels is None else "BCa"
    low, high = np.quantile(draws, levels or (tail, 1 - tail))
    return Interval(float(low), float(high), method, undefined)


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
    draws: FloatArray, estimate: float, jackknife: FloatArray | None, sizes: FloatArray, tail: float
) -> tuple[float, float] | None:
    """Return the two quantiles that BCa asks for, or None where bias or acceleration is undefined."""
    if jackknife is None:
        return None
    below = float(np.mean(draws < estimate) + np.mean(draws == estimate) / 2)
    known = ~np.isnan(jackknife)
    if not 0 < below < 1 or not known.all():
        return None
    deviation = np.average(jackknife, weights=sizes) - jackknife
    scale = float((sizes * deviation**2).sum()) ** 1.5
    if scale == 0:
        return None
    acceleration = float((sizes * deviation**3).sum()) / (6 * scale)
    bias = scipy.special.ndtri(below)
    z = bias + scipy.special.ndtri(np.array([tail, 1 - tail]))
    adjusted = scipy.special.ndtr(bias + z / (1 - acceleration * z))
    return float(adjusted[0]), float(adjusted[1])
