"""Krippendorff's alpha, many times over: the point estimate comes from the `krippendorff` package, what is here serves
the bootstrap and the leave-one-out diagnostics.

Items whose values were used equally often are one *pattern*. All that alpha needs of a set of items are two sums over
its patterns, so a bootstrap replicate is one row of multinomial weights instead of a resampled table. No array
is larger than patterns by values, or replicates by patterns: scales of hundreds of values work too.
"""

from dataclasses import dataclass

import krippendorff
import numpy as np

from modelhub.stats.distance import squared_differences
from modelhub.stats.ratings import FloatArray, IntArray, Level, Ratings, distinct_rows

# The package builds items x values x values; beyond this the same number is computed here, in less memory.
_MOST_CELLS_OF_PACKAGE = 10_000_000
# Patterns squared, times values, of an ordinal jackknife: some seconds.
_MOST_WORK_OF_JACKKNIFE = 10_000_000_000
_CELLS_AT_ONCE = 5_000_000


@dataclass(frozen=True)
class Patterns:
    """Distinct rows of the table of counts among pairable items.

    `counts` has shape (p, q), `sizes` (p,) says how many items have that pattern.
    """

    counts: IntArray
    sizes: IntArray
    numbers: FloatArray
    level: Level


def patterns_of(ratings: Ratings) -> Patterns:
    """Collapse the pairable items (two ratings or more) to their patterns."""
    counts = ratings.counts
    pairable = counts[counts.sum(axis=1) >= 2]
    rows, sizes = distinct_rows(pairable)
    return Patterns(rows, sizes, ratings.numbers, ratings.level)


def krippendorff_alpha(ratings: Ratings) -> float | None:
    """Return alpha over the declared domain, or None where it is undefined (no pairable item, or no variation)."""
    patterns = patterns_of(ratings)
    margins = patterns.sizes @ patterns.counts if len(patterns.sizes) else np.zeros(0)
    used = np.flatnonzero(margins)
    if len(used) < 2:
        return None
    if len(used) == 2 and margins[used].min() == 1:
        return 0.0  # exactly one rating deviates: observed and expected disagreement are the same number
    if patterns.sizes.sum() * len(ratings.domain) ** 2 > _MOST_CELLS_OF_PACKAGE:
        return float(alpha_of_weights(patterns, patterns.sizes[None, :].astype(float))[0])
    counts = np.repeat(patterns.counts, patterns.sizes, axis=0)
    return float(
        krippendorff.alpha(
            value_counts=counts,
            value_domain=ratings.numbers,
            level_of_measurement=ratings.level.value,
        )
    )


def alphas(patterns: Patterns, coincidences: FloatArray, margins: FloatArray) -> FloatArray:
    """Return alpha for each of `b` weighted sets of patterns, NaN where it is undefined.

    Args:
        coincidences: summed over the set, shape (b, q, q).
        margins: how often each value was used in pairable items, shape (b, q).
    """
    distance = squared_differences(patterns.level, patterns.numbers, margins)
    total = margins.sum(axis=-1)
    observed = (coincidences * distance).sum(axis=(-2, -1))
    expected = (margins[:, :, None] * margins[:, None, :] * distance).sum(axis=(-2, -1))
    return _alpha(observed, expected, total)


def alpha_of_weights(patterns: Patterns, weights: FloatArray) -> FloatArray:
    """Return alpha for each row of pattern weights, shape (b, p) -> (b,), NaN where it is undefined."""
    margins = weights @ patterns.counts
    if patterns.level == Level.ORDINAL:
        return _ordinal_alphas(patterns, weights, margins)
    return _fixed_alphas(patterns, weights @ _disagreements(patterns), margins)


def alpha_without_one_item(patterns: Patterns) -> FloatArray | None:
    """Return, per pattern, alpha with one item of that pattern left out, shape (p,); None where that takes too long."""
    sizes, count = patterns.sizes.astype(float), len(patterns.sizes)
    if patterns.level != Level.ORDINAL:
        own = _disagreements(patterns)
        return _fixed_alphas(patterns, sizes @ own - own, sizes @ patterns.counts - patterns.counts.astype(float))
    if count**2 * len(patterns.numbers) > _MOST_WORK_OF_JACKKNIFE:
        return None
    step = max(1, _CELLS_AT_ONCE // count)
    starts = range(0, count, step)
    left = (sizes - np.eye(min(step, count - start), count, k=start) for start in starts)
    return np.concatenate([alpha_of_weights(patterns, rows) for rows in left])


def _disagreements(patterns: Patterns) -> FloatArray:
    """Return each pattern's sum of squared differences over its pairs, over raters less one; shape (p,)."""
    counts = patterns.counts.astype(float)
    distance = squared_differences(patterns.level, patterns.numbers, counts)
    return np.asarray(((counts @ distance) * counts).sum(axis=1) / (counts.sum(axis=1) - 1))


def _fixed_alphas(patterns: Patterns, observed: FloatArray, margins: FloatArray) -> FloatArray:
    distance = squared_differences(patterns.level, patterns.numbers, margins)
    return _alpha(observed, ((margins @ distance) * margins).sum(axis=1), margins.sum(axis=1))


def _ordinal_alphas(patterns: Patterns, weights: FloatArray, margins: FloatArray) -> FloatArray:
    """Return alpha from mid-ranks x, whose pairs need two sums only: 2 (m sum x² - (sum x)²) over m values."""
    ranks = np.cumsum(margins, axis=1) - margins / 2
    ranks -= margins.sum(axis=1, keepdims=True) / 2
    counts = patterns.counts.astype(float)
    raters = counts.sum(axis=1)
    within = 2 * (raters * (ranks**2 @ counts.T) - (ranks @ counts.T) ** 2) / (raters - 1)
    total = margins.sum(axis=1)
    expected = 2 * (total * (margins * ranks**2).sum(axis=1) - (margins * ranks).sum(axis=1) ** 2)
    expected[np.count_nonzero(margins, axis=1) < 2] = 0.0
    return _alpha((weights * within).sum(axis=1), expected, total)


def _alpha(observed: FloatArray, expected: FloatArray, total: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1.0 - (total - 1) * observed / expected, np.nan)
