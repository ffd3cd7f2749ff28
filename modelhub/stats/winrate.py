"""Win, tie and loss from verdicts in both orders, and Delta-PQ.

A pair's two verdicts agree: win, loss or genuine tie. They disagree: an order-inconsistent tie. One is unreadable or
missing: invalid, counted apart and never a loss.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modelhub.results.base import Interval
from modelhub.results.judge import JudgeRates, MetricRates
from modelhub.stats.scores import JOINED_METHOD, SCORE_METHOD, BoundedMean, bounded_mean, mean_of

OUTCOMES = ("win", "tie_order", "tie_genuine", "loss", "invalid")
PERSONALIZATION, QUALITY = "personalization", "quality"
METRICS = (PERSONALIZATION, QUALITY)
ORDERS = ("base_first", "test_first")
SINGLE = "single_decided_pair"
ONE_SIDED = "one_sided_interval"


@dataclass(frozen=True)
class Verdict:
    """What a judge said of one pair in one order. `verdict` is A (shown first), B, tie, or None where unreadable.

    `cluster` names the preference pair that the outputs are for; empty where the pair stands alone.
    """

    pair_id: str
    metric: str
    order: str
    verdict: str | None
    cluster: str = ""


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


def clusters_of(verdicts: Iterable[Verdict]) -> dict[str, str]:
    """Return the preference pair of each judged pair that names one."""
    return {verdict.pair_id: verdict.cluster for verdict in verdicts if verdict.cluster}


def win_rates(outcomes: Mapping[str, Mapping[str, str]], clusters: Mapping[str, str] | None = None) -> JudgeRates:
    """Return counts, net win, win share and Delta-PQ with intervals over preference pairs.

    `clusters` names the preference pair of each judged pair: several personas or samples of one are not independent.
    Those it lacks are on their own.
    """
    of = clusters or {}
    metrics = {metric: metric_means(outcomes.get(metric, {}), of) for metric in METRICS}
    rates = {metric: _metric(outcomes.get(metric, {}), means, of) for metric, means in metrics.items()}
    report = JudgeRates(
        metrics=rates, delta_pq=delta_pq(*(rates[metric] for metric in METRICS)), delta_pq_ci=None,
        delta_pq_ci_method=None, generalises_over=["preference_pairs"], reasons={}, warnings=[],
    )  # fmt: skip
    shares = delta_pq_parts(outcomes, of)
    if len(shares) < len(METRICS):
        report.reasons = dict.fromkeys(("delta_pq", "delta_pq_ci", "delta_pq_ci_method"), "no_decided_pairs")
        return report
    _, report.delta_pq_ci = mean_of(shares).scaled(-100.0, 100.0)
    if report.delta_pq_ci is None:
        report.reasons = dict.fromkeys(("delta_pq_ci", "delta_pq_ci_method"), SINGLE)
    else:
        report.delta_pq_ci_method = JOINED_METHOD
    if report.delta_pq_ci and any(not share.varies for share in shares):
        report.warnings.append(ONE_SIDED)
    return report


@dataclass(frozen=True)
class MetricMeans:
    """The means of one metric over its valid units: net win from 0 to 1 (ties 1/2), and wins among decided units."""

    net_win: BoundedMean | None
    win_share: BoundedMean | None


def metric_means(outcomes: Mapping[str, str], clusters: Mapping[str, str]) -> MetricMeans:
    """Return the means of one metric's outcomes by unit, clustered by preference pair."""
    return MetricMeans(
        unit_mean(outcomes, clusters, {"win": 1.0, "loss": 0.0, "tie_order": 0.5, "tie_genuine": 0.5}),
        unit_mean(outcomes, clusters, {"win": 1.0, "loss": 0.0}),
    )


def unit_mean(
    outcomes: Mapping[str, str], clusters: Mapping[str, str], scores: Mapping[str, float], prefix: str = ""
) -> BoundedMean | None:
    """Return the mean score of the units whose outcome has one; `prefix` keeps clusters of other data sets apart."""
    scored = {unit: scores[outcome] for unit, outcome in outcomes.items() if outcome in scores}
    return bounded_mean(list(scored.values()), [(prefix, clusters.get(unit, unit)) for unit in scored])


def delta_pq_parts(
    outcomes: Mapping[str, Mapping[str, str]], clusters: Mapping[str, str], prefix: str = ""
) -> list[BoundedMean]:
    """Return the win shares that Delta-PQ is the mean of, those that are defined."""
    decided = {"win": 1.0, "loss": 0.0}
    shares = (unit_mean(outcomes.get(metric, {}), clusters, decided, prefix) for metric in METRICS)
    return [share for share in shares if share is not None]


def delta_pq(personalization: MetricRates, quality: MetricRates) -> float | None:
    """Return Delta-PQ in points from the two metrics' `win` and `loss` counts; None if either has none of both.

    Source: Balepur et al. (2025), Whose Boat Does it Float?, section on evaluation.
    """
    shares = []
    for metric in (personalization, quality):
        decided = metric.win + metric.loss
        if not decided:
            return None
        shares.append((metric.win - metric.loss) / decided)
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


def _metric(outcomes: Mapping[str, str], means: MetricMeans, clusters: Mapping[str, str]) -> MetricRates:
    counts = Counter(outcomes.values())
    n = counts.total() - counts["invalid"]
    net, net_ci = means.net_win.scaled(-1.0, 1.0) if means.net_win else (None, None)
    share, share_ci = means.win_share.scaled(0.0, 1.0) if means.win_share else (None, None)
    one_sided = [mean for mean in (means.net_win, means.win_share) if mean and mean.ci and not mean.varies]
    return MetricRates(
        n=n, win=counts["win"], tie_order=counts["tie_order"], tie_genuine=counts["tie_genuine"],
        loss=counts["loss"], invalid=counts["invalid"],
        clusters=len({clusters.get(unit, unit) for unit, outcome in outcomes.items() if outcome != "invalid"}),
        net_win=net, net_win_ci=net_ci, net_win_ci_method=SCORE_METHOD if net_ci else None,
        win_share=share, win_share_ci=share_ci, win_share_ci_method=SCORE_METHOD if share_ci else None,
        reasons={**_reasons("net_win", net, net_ci, "no_valid_pairs"),
                 **_reasons("win_share", share, share_ci, "no_decided_pairs")},
        warnings=[ONE_SIDED] if one_sided else [],
    )  # fmt: skip


def _reasons(name: str, value: float | None, ci: Interval | None, missing: str) -> dict[str, str]:
    if ci is not None:
        return {}
    code = missing if value is None else SINGLE
    return dict.fromkeys((f"{name}_ci", f"{name}_ci_method"), code) | ({name: missing} if value is None else {})
