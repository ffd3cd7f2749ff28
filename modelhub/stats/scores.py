"""Means of scores from 0 to 1 in clusters, such as accuracies that are 0, 1/2 or 1, and their paired difference.

The intervals are score intervals, not the bootstrap's: they need no seed, and near 0 and 1, where good systems are,
they neither shrink to nothing nor leave the scale.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import scipy

from modelhub.stats.adjusted import wilson_interval_of_share
from modelhub.stats.crossed import group_codes
from modelhub.stats.ratings import FloatArray

PairId = TypeVar("PairId", bound=Hashable)


def clustered_mean(scores: Sequence[float], clusters: Sequence[Hashable], answers: int) -> dict[str, Any]:
    """Return the mean of `scores`, each from 0 to 1, with Wilson's interval at their effective sample size.

    The size is what gives a share of this mean the variance between clusters that was found; at most `answers`, the
    number of 0/1 answers that the scores are means of, and the number of clusters where nothing varies. It is scaled
    by t for few clusters. Source: Korn & Graubard (1998), Confidence intervals for proportions with small expected
    number of positive counts; Dean & Pagano (2015) on Wilson's interval there.

    Keys: n (scores), mean, ci, reason (no_data, or single_pair: one cluster says nothing of its spread).
    """
    result: dict[str, Any] = {"n": len(scores), "mean": None, "ci": None, "reason": "no_data"}
    if not len(scores):
        return result
    values = np.asarray(scores, dtype=float)
    mean = float(values.mean())
    codes, count = group_codes([str(cluster) for cluster in clusters])
    if count < 2:
        return {**result, "mean": mean, "reason": "single_pair"}
    low, high = wilson_interval_of_share(mean, _effective_size(values - mean, mean, codes, count, answers))
    return {**result, "mean": mean, "ci": [low, high], "reason": None}


def paired_gap(first: Mapping[PairId, float], second: Mapping[PairId, float], answers: int) -> dict[str, Any]:
    """Return the mean difference first minus second over the pairs that both hold, scores from 0 to 1.

    The interval joins both sides' intervals by their correlation (Newcombe, 1998, method 10 for paired proportions;
    Zou & Donner, 2008, for its general form), so it keeps a width where all differences are 0. `answers` is the number
    of 0/1 answers behind the scores of one side. Keys: n (pairs), first, second, difference, ci, reason.
    """
    pairs = [pair for pair in first if pair in second]
    result: dict[str, Any] = {"n": len(pairs), "first": None, "second": None, "difference": None, "ci": None}
    if not pairs:
        return {**result, "reason": "no_common_pairs"}
    sides = [np.array([side[pair] for pair in pairs], dtype=float) for side in (first, second)]
    means = [clustered_mean(list(values), pairs, answers) for values in sides]
    a, b = means[0]["mean"], means[1]["mean"]
    result |= {"first": a, "second": b, "difference": a - b, "reason": means[0]["reason"]}
    if means[0]["ci"] is None:
        return result
    (low_a, high_a), (low_b, high_b) = means[0]["ci"], means[1]["ci"]
    r = _correlation(*sides)
    below, above = _joined(a - low_a, high_b - b, r), _joined(high_a - a, b - low_b, r)
    return {**result, "ci": [a - b - below, a - b + above]}


def _effective_size(residuals: FloatArray, mean: float, codes: Any, clusters: int, answers: int) -> float:
    totals = np.bincount(codes, weights=residuals, minlength=clusters)
    variance = clusters / (clusters - 1) * float((totals**2).sum()) / len(residuals) ** 2
    if not 0 < mean < 1:
        return float(clusters)  # nothing varies: as many independent answers as clusters, to be safe
    size = min(float(answers), mean * (1 - mean) / variance) if variance > 0 else float(answers)
    return size * float(scipy.stats.norm.ppf(0.975) / scipy.stats.t.ppf(0.975, clusters - 1)) ** 2


def _correlation(first: FloatArray, second: FloatArray) -> float:
    """Return Pearson's r; 0 where a side does not vary."""
    if not np.ptp(first) or not np.ptp(second):
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _joined(one: float, other: float, correlation: float) -> float:
    return float(np.sqrt(max(0.0, one**2 - 2 * correlation * one * other + other**2)))
