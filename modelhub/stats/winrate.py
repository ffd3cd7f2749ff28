"""Win, tie and loss from verdicts in both orders, and Delta-PQ.

A pair's two verdicts agree: win, loss or genuine tie. They disagree: an order-inconsistent tie. One is unreadable or
missing: invalid, counted apart and never a loss.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelhub.stats.ratings import FloatArray, IntArray

REPLICATES = 2000
OUTCOMES = ("win", "tie_order", "tie_genuine", "loss", "invalid")
PERSONALIZATION, QUALITY = "personalization", "quality"
ORDERS = ("base_first", "test_first")


@dataclass(frozen=True)
class Verdict:
    """What a judge said of one pair in one order. `verdict` is A (shown first), B, tie, or None where unreadable."""

    pair_id: str
    metric: str
    order: str
    verdict: str | None


def pair_outcomes(verdicts: Iterable[Verdict]) -> dict[str, dict[str, str]]:
    """Return the outcome of each pair for each metric: metric -> pair id -> one of OUTCOMES.

    Raises:
        ValueError: a pair has two verdicts for one metric and order.
    """
    seen: dict[tuple[str, str], dict[str, str | None]] = {}
    for verdict in verdicts:
        orders = seen.setdefault((verdict.metric, verdict.pair_id), {})
        if verdict.order in orders:
            raise ValueError(f"pair {verdict.pair_id!r} has two verdicts for {verdict.metric}, {verdict.order}")
        orders[verdict.order] = _favours(verdict)
    outcomes: dict[str, dict[str, str]] = {}
    for (metric, pair_id), orders in seen.items():
        outcomes.setdefault(metric, {})[pair_id] = _outcome(orders)
    return outcomes


def win_rates(outcomes: Mapping[str, Mapping[str, str]], *, seed: int = 0) -> dict[str, Any]:
    """Return counts, net win, win share and Delta-PQ; their bootstrap draws pairs, with both metrics together."""
    pairs = list(dict.fromkeys(pair for metric in (PERSONALIZATION, QUALITY) for pair in outcomes.get(metric, {})))
    codes = np.array(
        [[_code(outcomes.get(metric, {}).get(pair)) for metric in (PERSONALIZATION, QUALITY)] for pair in pairs],
        dtype=np.int64,
    ).reshape(-1, 2)
    draws = _draw_counts(codes, seed)
    report: dict[str, Any] = {"metrics": {}, "reasons": {}}
    for index, metric in enumerate((PERSONALIZATION, QUALITY)):
        report["metrics"][metric] = _metric(Counter(outcomes.get(metric, {}).values()), draws[:, index])
    report["delta_pq"] = delta_pq(*(report["metrics"][metric] for metric in (PERSONALIZATION, QUALITY)))
    report["delta_pq_ci"] = None if report["delta_pq"] is None else _interval(_delta_pq_draws(draws))
    for name in ("delta_pq", "delta_pq_ci"):
        if report[name] is None:
            report["reasons"][name] = "no_decided_pairs"
    return report


def delta_pq(personalization: Mapping[str, int], quality: Mapping[str, int]) -> float | None:
    """Return Delta-PQ in points from the two metrics' `win` and `loss` counts; None if either has none of both.

    Source: Balepur et al. (2025), Whose Boat Does it Float?, section on evaluation.
    """
    shares = []
    for metric in (personalization, quality):
        decided = metric["win"] + metric["loss"]
        if not decided:
            return None
        shares.append((metric["win"] - metric["loss"]) / decided)
    return 100 * sum(shares) / 2


def _favours(verdict: Verdict) -> str | None:
    if verdict.verdict is None or verdict.verdict == "tie":
        return verdict.verdict
    first, second = ("base", "test") if verdict.order == "base_first" else ("test", "base")
    return first if verdict.verdict == "A" else second


def _outcome(orders: Mapping[str, str | None]) -> str:
    favoured = [orders.get(order) for order in ORDERS]
    if None in favoured:
        return "invalid"
    if favoured[0] != favoured[1]:
        return "tie_order"
    return {"test": "win", "base": "loss", "tie": "tie_genuine"}[str(favoured[0])]


def _code(outcome: str | None) -> int:
    return OUTCOMES.index(outcome) if outcome else len(OUTCOMES)  # one more for "not judged on this metric"


def _draw_counts(codes: IntArray, seed: int) -> FloatArray:
    """Return bootstrap counts, shape (replicates, 2 metrics, outcomes): pairs with the same outcomes are one cell."""
    size = len(OUTCOMES) + 1
    if not len(codes):
        return np.zeros((REPLICATES, 2, len(OUTCOMES)))
    cells = np.bincount(codes[:, 0] * size + codes[:, 1], minlength=size * size)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(codes), cells / cells.sum(), size=REPLICATES).reshape(REPLICATES, size, size)
    return np.stack([drawn.sum(axis=2), drawn.sum(axis=1)], axis=1)[:, :, : len(OUTCOMES)].astype(float)


def _metric(counts: Counter[str], draws: FloatArray) -> dict[str, Any]:
    win, loss = counts["win"], counts["loss"]
    valid = counts.total() - counts["invalid"]
    result: dict[str, Any] = {"n": valid, **{name: counts[name] for name in OUTCOMES}, "reasons": {}}
    result["net_win"] = (win - loss) / valid if valid else None
    result["win_share"] = win / (win + loss) if win + loss else None
    wins, losses = draws[:, OUTCOMES.index("win")], draws[:, OUTCOMES.index("loss")]
    all_valid = draws.sum(axis=1) - draws[:, OUTCOMES.index("invalid")]
    with np.errstate(invalid="ignore", divide="ignore"):
        result["net_win_ci"] = _interval((wins - losses) / all_valid) if valid else None
        result["win_share_ci"] = _interval(wins / (wins + losses)) if win + loss else None
    for name, code in (("net_win", "no_valid_pairs"), ("win_share", "no_decided_pairs")):
        result["reasons"] |= {key: code for key in (name, f"{name}_ci") if result[key] is None}
    return result


def _delta_pq_draws(draws: FloatArray) -> FloatArray:
    wins, losses = draws[:, :, OUTCOMES.index("win")], draws[:, :, OUTCOMES.index("loss")]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(100 * ((wins - losses) / (wins + losses)).mean(axis=1))


def _interval(draws: FloatArray) -> list[float] | None:
    known = draws[~np.isnan(draws)]
    return [float(value) for value in np.quantile(known, (0.025, 0.975))] if len(known) else None
