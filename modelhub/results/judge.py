"""What judges that are language models say: win rates of systems, people beside the judge, harm by personas."""

from typing import Literal

from modelhub.results.base import Interval, Part

JudgedUnit = Literal["preference_pairs"]


class MetricRates(Part):
    """Outcomes of one metric. `n` counts the units with a readable verdict in both orders, `clusters` their pairs.

    Net win is (W - L) / n; the win share W / (W + L) leaves ties out.
    """

    n: int
    win: int
    tie_order: int
    tie_genuine: int
    loss: int
    invalid: int
    clusters: int
    net_win: float | None
    net_win_ci: Interval | None
    net_win_ci_method: str | None
    win_share: float | None
    win_share_ci: Interval | None
    win_share_ci_method: str | None
    reasons: dict[str, str]
    warnings: list[str]


class JudgeRates(Part):
    """Win rates by metric and Delta-PQ in points, from a judge's verdicts. All intervals speak of other pairs."""

    metrics: dict[str, MetricRates]
    delta_pq: float | None
    delta_pq_ci: Interval | None
    delta_pq_ci_method: str | None
    generalises_over: list[JudgedUnit]
    reasons: dict[str, str]
    warnings: list[str]


class Harm(Part):
    """Share of scored units in which the output that was made without a persona wins in both orders."""

    n: int
    count: int
    share: float | None
    ci: Interval | None
    reason: str | None


class JudgedResult(JudgeRates):
    """One row of what was judged: two systems on one data set and source of personas.

    `units` are pairs of outputs, `pairs` the preference pairs they are for; `excluded` units are left out.
    """

    dataset: str
    split: str
    base: str
    base_source: str
    test: str
    source: str
    judge: str
    rubric: str
    inferred_by: str
    pairs: int
    units: int
    excluded: int
    worse: dict[str, Harm] | None


class AverageShares(Part):
    """Mean over rows of the shares of wins, ties and losses of one metric, with their intervals."""

    rows: int
    win: float | None
    tie: float | None
    loss: float | None
    win_ci: Interval | None
    tie_ci: Interval | None
    loss_ci: Interval | None
    reasons: dict[str, str]


class AverageRates(Part):
    """Mean over rows, each counting once whatever its number of pairs. Rows of one data set share their pairs."""

    metrics: dict[str, AverageShares]
    delta_pq: float | None
    delta_pq_ci: Interval | None
    delta_pq_ci_method: str | None
    rows: int
    weights: Literal["rows"]
    generalises_over: list[JudgedUnit]
    reasons: dict[str, str]


class JudgedComparison(Part):
    """What was compared on whatever data sets and sources there are, with the mean of its rows."""

    kind: str
    base: str
    test: str
    split: str
    judge: str
    rubric: str
    inferred_by: str
    rows: list[JudgedResult]
    average: AverageRates


class JudgeAgreement(Part):
    """People and judge on one metric. All intervals are over the study's items, with the people as they are.

    `n` counts judgements of people, `units` personas, `n_judged` all units with two readable verdicts; `table` is by
    `human OUTCOME`, then by `judge OUTCOME`.
    """

    aspect: str
    units: int
    n: int
    n_judged: int
    n_without_ties: int
    items: int
    invalid: int
    table: dict[str, dict[str, int]]
    agreement_with_ties: float | None
    agreement_with_ties_ci: Interval | None
    agreement_without_ties: float | None
    agreement_without_ties_ci: Interval | None
    kappa: float | None
    kappa_ci: Interval | None
    human_ceiling: float | None
    human_ceiling_ci: Interval | None
    human_ceiling_without_ties: float | None
    human_ceiling_without_ties_ci: Interval | None
    ceiling_units: int
    ceiling_units_without_ties: int
    judge_order_consistency: float | None
    judge_order_consistency_ci: Interval | None
    ci_method: str
    generalises_over: list[Literal["prompts"]]
    reasons: dict[str, str]
    warnings: dict[str, list[str]]


class JudgeReport(Part):
    """People against the judge by metric; verdicts that name no unit, and metrics that people were not asked about."""

    metrics: dict[str, JudgeAgreement]
    unmatched: int
    metrics_not_asked: list[str]


class JudgedPicks(Part):
    """How often people and the judge pick alike for the same persona, and the judge's own accuracy, over items."""

    n: int
    agreement: float | None
    ci: Interval | None
    judge_accuracy: float | None
    judge_accuracy_ci: Interval | None
    judged: int
    tie_order: int
    tie_genuine: int
    invalid: int
    reason: str | None
