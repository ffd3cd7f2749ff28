"""Estimates over participants whose intervals come from leaving each participant out in turn.

For a mean the delete-one jackknife gives the t-interval; for intercepts, shares and other smooth functions of
participants' sums it takes their covariance into account. Source: Efron & Tibshirani (1993), chapter 11; Bell &
McCaffrey (2002) on its caution with few clusters.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelhub.results.base import Interval
from modelhub.stats.crossed import Cells, group_codes, spread_of
from modelhub.stats.multiplicity import wilson_interval_of_share
from modelhub.stats.ratings import FloatArray


@dataclass(frozen=True)
class AdjustedMean:
    """The mean of y that is expected at x = 0; `reason` has the code for what is None."""

    estimate: float | None = None
    slope: float | None = None
    ci: Interval | None = None
    p: float | None = None
    reason: str | None = "no_data"


def adjusted_mean(
    groups: Sequence[str],
    y: Sequence[float],
    x: Sequence[float],
    *,
    prompts: Sequence[str] | None = None,
    span: float | None = None,
) -> AdjustedMean:
    """Return the mean of `y` that is expected at x = 0, by least squares in which every group weighs the same.

    With a slope of 0 it is the mean of the groups' means. `prompts` are a second sample, where groups share them;
    `span` is the largest size that y can have. Reasons: no_data, no_variation of x, single_participant, single_prompt,
    unstable.
    """
    cells = Cells(groups, prompts)
    values, at = np.asarray(y, dtype=float), np.asarray(x, dtype=float)
    if not len(values):
        return AdjustedMean()
    sums = cells.means(np.stack([np.ones_like(at), at, values, at * at, at * values], axis=1))
    intercept, slope = _line(sums.total[None, :])
    if np.isnan(intercept[0]):
        return AdjustedMean(reason="no_variation")
    found = AdjustedMean(float(intercept[0]), float(slope[0]), reason=cells.why_no_spread)
    if found.reason:
        return found
    spread = spread_of(sums, lambda rows: _line(rows)[0])
    if spread is None:
        return replace(found, reason="unstable")
    if not spread.varies:
        return replace(found, reason="no_variation_of_differences")
    return replace(found, ci=spread.interval(span=span), p=spread.p())


def clustered_share(hits: Sequence[int], clusters: Sequence[str]) -> dict[str, Any]:
    """Return a share with Wilson's interval at the effective sample size of clustered answers.

    The size is divided by the design effect (never below 1) of the share's cluster variance. Source: Korn & Graubard
    (1998), Confidence intervals for proportions with small expected number of positive counts.
    """
    n, correct = len(hits), int(sum(hits))
    result: dict[str, Any] = {"n": n, "correct": correct, "share": None, "ci": None, "reason": "no_data"}
    if not n:
        return result
    share = correct / n
    codes, count = group_codes(clusters)
    effect = 1.0
    if 2 <= count < n and 0 < share < 1:
        residuals = np.bincount(codes, weights=np.asarray(hits, dtype=float) - share, minlength=count)
        variance = count / (count - 1) * float((residuals**2).sum()) / n**2
        effect = max(1.0, variance / (share * (1 - share) / n))
    elif count < n and not 0 < share < 1:
        effect = n / count  # nothing varies: as many independent answers as clusters, to be safe
    effective = n / effect
    low, high = wilson_interval_of_share(share, effective)
    return {**result, "share": share, "ci": [low, high], "reason": None}


def _line(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return intercepts and slopes from rows of summed moments; NaN where x does not vary."""
    one, x, y, xx, xy = sums.T
    determinant = one * xx - x * x
    with np.errstate(invalid="ignore", divide="ignore"):
        flat = determinant <= 1e-9 * np.maximum(one * xx, 1e-300)
        slope = np.where(flat, np.nan, (one * xy - x * y) / determinant)
        return np.where(flat, np.nan, (y - slope * x) / one), slope
