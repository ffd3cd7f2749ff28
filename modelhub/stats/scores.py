"""Means of scores from 0 to 1 in clusters, such as accuracies that are 0, 1/2 or 1, and their paired difference.

The intervals are score intervals, not the bootstrap's: they need no seed, and near 0 and 1, where good systems are,
they neither shrink to nothing nor leave the scale.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import scipy

from modelhub.results.base import Interval
from modelhub.stats.crossed import group_codes
from modelhub.stats.multiplicity import wilson_interval_of_share
from modelhub.stats.ratings import FloatArray

PairId = TypeVar("PairId", bound=Hashable)
SCORE_METHOD, JOINED_METHOD = "clustered_score", "clustered_score_joined"
_TAIL = 0.025
_NOTHING = 1e-15
_NEARLY_ONE = 1 - 1e-12


@dataclass(frozen=True)
class BoundedMean:
    """A mean of values from 0 to 1 with its 95 % interval; None with a single cluster, which says nothing of others.

    `moves` has by cluster how far it moves the mean, so that means over the same clusters can be joined.
    """

    estimate: float
    ci: Interval | None
    moves: Mapping[Hashable, float]

    @property
    def varies(self) -> bool:
        """Whether clusters differ; where they do not, the interval is what so many cannot rule out."""
        return _squared(self.moves) > _NOTHING

    def scaled(self, low: float, high: float) -> tuple[float, Interval | None]:
        """Return the estimate and its interval on a scale from `low` to `high`."""
        width = high - low
        ci = self.ci and (low + width * self.ci[0], low + width * self.ci[1])
        return low + width * self.estimate, ci


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


def bounded_mean(values: Sequence[float], clusters: Sequence[Hashable]) -> BoundedMean | None:
    """Return the mean of values from 0 to 1, ties being 1/2, with its score interval; None without values.

    The interval is Wilson's at the sample size that gives a share of this mean the variance between clusters, scaled by
    t for few of them (Korn & Graubard, 1998; Dean & Pagano, 2015). Where all clusters are alike, its limits are Clopper
    and Pearson's for the share of clusters that differ, each of them as far as the scale allows.
    """
    if not len(values):
        return None
    found = np.asarray(values, dtype=float)
    mean = float(found.mean())
    codes, count = group_codes(clusters)
    moves = np.bincount(codes, weights=found - mean, minlength=count) / len(found)
    named = dict(zip(dict.fromkeys(clusters), moves.tolist(), strict=True))
    return BoundedMean(mean, _score_interval(mean, moves), named)


def mean_of(parts: Sequence[BoundedMean]) -> BoundedMean:
    """Return the mean of means that may share clusters, each counting once.

    Its interval joins theirs by their correlations over the clusters (Zou & Donner, 2008). Since few clusters tell
    little of a correlation, it is taken one standard error higher (Fisher's z), never below 0, and as 1 where one of
    the means does not vary.
    """
    weight = 1 / len(parts)
    moves: dict[Hashable, float] = {}
    for part in parts:
        for cluster, move in part.moves.items():
            moves[cluster] = moves.get(cluster, 0.0) + weight * move
    estimate = weight * sum(part.estimate for part in parts)
    intervals = [part.ci for part in parts if part.ci is not None]
    if len(intervals) < len(parts):
        return BoundedMean(estimate, None, moves)
    together = np.array([[_together(one, other) for other in parts] for one in parts])
    below = np.array([part.estimate - ci[0] for part, ci in zip(parts, intervals, strict=True)])
    above = np.array([ci[1] - part.estimate for part, ci in zip(parts, intervals, strict=True)])
    low, high = (weight * float(np.sqrt(side @ together @ side)) for side in (below, above))
    return BoundedMean(estimate, (max(0.0, estimate - low), min(1.0, estimate + high)), moves)


def _score_interval(mean: float, moves: FloatArray) -> Interval | None:
    clusters = len(moves)
    if clusters < 2:
        return None
    variance = clusters / (clusters - 1) * float((moves**2).sum())
    if variance <= _NOTHING:
        alike = _TAIL ** (1 / clusters)  # the smallest share of clusters like these that so many cannot rule out
        return mean * alike, 1 - alike * (1 - mean)
    scale = float(scipy.stats.norm.ppf(1 - _TAIL) / scipy.stats.t.ppf(1 - _TAIL, clusters - 1))
    return wilson_interval_of_share(mean, mean * (1 - mean) / variance * scale**2)


def _together(one: BoundedMean, other: BoundedMean) -> float:
    """Return the correlation of two means over their clusters; see `mean_of`."""
    if one is other:
        return 1.0
    common = one.moves.keys() & other.moves.keys()
    if not common:
        return 0.0
    if not one.varies or not other.varies:
        return 1.0
    product = sum(one.moves[cluster] * other.moves[cluster] for cluster in common)
    found = float(product / np.sqrt(_squared(one.moves) * _squared(other.moves)))
    error = 1 / np.sqrt(max(1, len(common) - 3))
    return max(0.0, float(np.tanh(np.arctanh(np.clip(found, -_NEARLY_ONE, _NEARLY_ONE)) + error)))


def _squared(moves: Mapping[Hashable, float]) -> float:
    return sum(move**2 for move in moves.values())


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
