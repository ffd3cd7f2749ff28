"""Krippendorff's alpha, many times over: the point estimate comes from the `krippendorff` package, what is here serves
the bootstrap and the leave-one-out diagnostics.

Items whose values were used equally often are one *pattern*. All that alpha needs of a set of items are two sums over
its patterns, so a bootstrap replicate is one row of multinomial weights instead of a resampled table.
"""

from dataclasses import dataclass

import krippendorff
import numpy as np

from modelhub.stats.distance import squared_differences
from modelhub.stats.ratings import FloatArray, IntArray, Level, Ratings


@dataclass(frozen=True)
class Patterns:
    """Distinct rows of the table of counts among pairable items.

    `counts` has shape (p, q), `sizes` (p,) says how many items have that pattern.
    """

    counts: IntArray
    sizes: IntArray
    numbers: FloatArray
    level: Level

    @property
    def coincidences(self) -> FloatArray:
        """Each pattern's contribution to the coincidence matrix, shape (p, q, q)."""
        counts = self.counts.astype(float)
        pairs = counts[:, :, None] * counts[:, None, :]
        diagonal = np.arange(counts.shape[1])
        pairs[:, diagonal, diagonal] -= counts
        return pairs / (counts.sum(axis=1) - 1)[:, None, None]


def patterns_of(ratings: Ratings) -> Patterns:
    """Collapse the pairable items (two ratings or more) to their patterns."""
    counts = ratings.counts
    pairable = counts[counts.sum(axis=1) >= 2]
    if not len(pairable):
        empty = np.zeros((0, len(ratings.domain)), dtype=np.int64)
        return Patterns(empty, np.zeros(0, dtype=np.int64), ratings.numbers, ratings.level)
    rows, sizes = _distinct_rows(pairable)
    return Patterns(rows, sizes, ratings.numbers, ratings.level)


def _distinct_rows(rows: IntArray) -> tuple[IntArray, IntArray]:
    """Return the distinct rows and how often each occurs, by one number per row where that fits into 64 bits."""
    base = int(rows.max()) + 1
    if base ** rows.shape[1] < 2**63:
        keys = rows @ (base ** np.arange(rows.shape[1], dtype=np.int64))
        _, first, sizes = np.unique(keys, return_index=True, return_counts=True)
        return rows[first], sizes.astype(np.int64)
    distinct, sizes = np.unique(rows, axis=0, return_counts=True)
    return distinct, sizes.astype(np.int64)


def krippendorff_alpha(ratings: Ratings) -> float | None:
    """Return alpha over the declared domain, or None where it is undefined (no pairable item, or no variation)."""
    patterns = patterns_of(ratings)
    margins = patterns.sizes @ patterns.counts if len(patterns.sizes) else np.zeros(0)
    used = np.flatnonzero(margins)
    if len(used) < 2:
        return None
    if len(used) == 2 and margins[used].min() == 1:
        return 0.0  # exactly one rating deviates: observed and expected disagreement are the same number
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
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1.0 - (total - 1) * observed / expected, np.nan)


def alpha_of_weights(patterns: Patterns, weights: FloatArray) -> FloatArray:
    """Return alpha for each row of pattern weights, shape (b, p) -> (b,)."""
    q = patterns.counts.shape[1]
    flat = patterns.coincidences.reshape(len(patterns.sizes), q * q)
    return alphas(patterns, (weights @ flat).reshape(-1, q, q), weights @ patterns.counts)


def alpha_without_one_item(patterns: Patterns) -> FloatArray:
    """Return, per pattern, alpha with one item of that pattern left out, shape (p,)."""
    coincidences = patterns.coincidences
    total = np.einsum("p,pck->ck", patterns.sizes.astype(float), coincidences)
    margins = (patterns.sizes @ patterns.counts).astype(float)
    return alphas(patterns, total[None] - coincidences, margins[None] - patterns.counts)
