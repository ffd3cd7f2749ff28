"""How single raters and pairs of raters compare. These numbers flag; they exclude nobody."""

from itertools import combinations
from typing import Any

import numpy as np
import scipy

from modelhub.stats.alpha import alphas, patterns_of
from modelhub.stats.chance import cohen_kappa
from modelhub.stats.distance import agreement_weights
from modelhub.stats.ratings import FloatArray, IntArray, Level, Ratings

# Beyond this the pairs are too many to read; the single raters' lines remain.
MAX_RATERS_IN_PAIRS = 30


def pairwise_kappa(ratings: Ratings) -> list[dict[str, Any]]:
    """Return (quadratically weighted, unless nominal) Cohen's kappa for each pair of raters with common items."""
    if len(ratings.rater_names) > MAX_RATERS_IN_PAIRS:
        return []
    weights = agreement_weights(ratings.level, ratings.numbers)
    codes = np.full((len(ratings.item_names), len(ratings.rater_names)), -1, dtype=np.int64)
    codes[ratings.item, ratings.rater] = ratings.code
    rows = []
    for first, second in combinations(range(codes.shape[1]), 2):
        common = (codes[:, first] >= 0) & (codes[:, second] >= 0)
        if common.any():
            kappa = cohen_kappa(codes[common, first], codes[common, second], weights)
            names = [ratings.rater_names[first], ratings.rater_names[second]]
            reason = "no_variation" if kappa is None else None
            rows.append({"raters": names, "items": int(common.sum()), "kappa": kappa, "reason": reason})
    return rows


def rater_diagnostics(ratings: Ratings, alpha: float | None) -> list[dict[str, Any]]:
    """Return one line per rater, each measured against the others only (leave-one-out).

    `bias` is the mean of own value minus the others' mean on the same items, `mean_absolute_deviation` the mean of its
    size, `modal_share` the share of the most frequent answer, `alpha_without` alpha over the others' ratings and
    `alpha_change` its difference from `alpha`, `correlation` Spearman's with the others' means.
    `reasons` has the code of what is None.
    """
    without = _alphas_without_each_rater(ratings)
    sums, counts = _totals(ratings)
    order = np.argsort(ratings.rater, kind="stable")
    starts = np.searchsorted(ratings.rater[order], np.arange(len(ratings.rater_names) + 1))
    lines = [
        _line(ratings, order[starts[rater] : starts[rater + 1]], rater, sums, counts, alpha, without[rater])
        for rater in range(len(ratings.rater_names))
    ]
    return [{**line, "reasons": _reasons(line, ratings.level)} for line in lines]


def _reasons(line: dict[str, Any], level: Level) -> dict[str, str]:
    if level == Level.NOMINAL:
        codes = dict.fromkeys(("bias", "mean_absolute_deviation", "sd", "correlation"), "not_ordered")
    else:
        alone = line["bias"] is None
        codes = {"bias": "no_overlap", "mean_absolute_deviation": "no_overlap", "sd": "single_value",
                 "correlation": "no_overlap" if alone else "too_few_or_all_the_same"}  # fmt: skip
    codes |= {"modal_share": "no_data", "alpha_without": "undefined_without", "alpha_change": "undefined_without"}
    return {name: code for name, code in codes.items() if line[name] is None}


def _totals(ratings: Ratings) -> tuple[FloatArray, IntArray]:
    sums = np.zeros(len(ratings.item_names))
    np.add.at(sums, ratings.item, ratings.numbers[ratings.code])
    return sums, ratings.counts.sum(axis=1)


def _line(
    ratings: Ratings,
    mine: IntArray,
    rater: int,
    sums: FloatArray,
    counts: IntArray,
    alpha: float | None,
    without: float | None,
) -> dict[str, Any]:
    items, codes = ratings.item[mine], ratings.code[mine]
    line: dict[str, Any] = {
        "rater": ratings.rater_names[rater],
        "ratings": len(mine),
        "modal_share": float(np.bincount(codes).max() / len(codes)) if len(codes) else None,
        "alpha_without": without,
        "alpha_change": None if alpha is None or without is None else without - alpha,
        "bias": None,
        "mean_absolute_deviation": None,
        "sd": None,
        "correlation": None,
    }
    if ratings.level == Level.NOMINAL or not len(mine):
        return line
    values = ratings.numbers[codes]
    line["sd"] = float(values.std(ddof=1)) if len(values) > 1 else None
    shared = counts[items] >= 2
    own = values[shared]
    others = (sums[items][shared] - own) / (counts[items][shared] - 1)
    if len(own):
        line["bias"] = float((own - others).mean())
        line["mean_absolute_deviation"] = float(np.abs(own - others).mean())
    if len(own) > 2 and np.ptp(own) > 0 and np.ptp(others) > 0:
        line["correlation"] = float(scipy.stats.spearmanr(own, others).statistic)
    return line


def _alphas_without_each_rater(ratings: Ratings) -> list[float | None]:
    """Leave each rater out by taking the difference their items make: the table is never built anew."""
    patterns = patterns_of(ratings)
    if not len(patterns.sizes):
        return [None] * len(ratings.rater_names)
    q = len(ratings.domain)
    total, margins = _sums(ratings.counts, q), _margins(ratings.counts)
    results: list[float | None] = []
    for rater in range(len(ratings.rater_names)):
        mine = ratings.rater == rater
        before = ratings.counts[ratings.item[mine]]
        after = before.copy()
        after[np.arange(len(after)), ratings.code[mine]] -= 1
        change = _sums(after, q) - _sums(before, q)
        used = margins + _margins(after) - _margins(before)
        value = alphas(patterns, (total + change)[None], used[None])[0]
        results.append(None if np.isnan(value) else float(value))
    return results


def _sums(counts: IntArray, q: int) -> FloatArray:
    pairable = counts[counts.sum(axis=1) >= 2].astype(float)
    if not len(pairable):
        return np.zeros((q, q))
    scaled = pairable / (pairable.sum(axis=1) - 1)[:, None]
    matrix = scaled.T @ pairable
    matrix[np.arange(q), np.arange(q)] -= scaled.sum(axis=0)
    return np.asarray(matrix)


def _margins(counts: IntArray) -> FloatArray:
    return np.asarray(counts[counts.sum(axis=1) >= 2].sum(axis=0), dtype=float)
