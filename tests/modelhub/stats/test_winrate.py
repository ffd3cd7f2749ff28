"""Win, tie, loss and Delta-PQ."""

import pytest

from benchmarks.judge_coverage import CASES, coverage
from modelhub.stats.winrate import Verdict, pair_outcomes, win_rates

# (win, tie, loss) for personalization and quality, and Delta-PQ as published in Balepur et al. (2025).
PUBLISHED = [
    ("BT chosen retr", (233, 146, 120), (192, 152, 155), 21.3),
    ("BT chosen gold", (211, 146, 142), (174, 169, 156), 12.5),
    ("BT rejected retr", (225, 158, 116), (175, 162, 162), 17.9),
    ("BT rejected gold", (255, 129, 115), (176, 163, 160), 21.3),
    ("HHH chosen retr", (204, 127, 169), (175, 140, 185), 3.3),
    ("HHH chosen gold", (210, 137, 153), (195, 122, 183), 9.4),
    ("HHH rejected retr", (281, 105, 114), (243, 123, 134), 35.6),
    ("HHH rejected gold", (270, 103, 126), (223, 130, 146), 28.6),
    ("Mnemonic chosen retr", (213, 156, 131), (201, 158, 141), 20.7),
    ("Mnemonic rejected retr", (187, 163, 150), (210, 137, 153), 13.3),
]


def verdicts(metric: str, win: int, tie: int, loss: int) -> list[Verdict]:
    """Both orders of each pair; ties are order-inconsistent, as most are."""
    rows = []
    for number, outcome in enumerate(["win"] * win + ["tie"] * tie + ["loss"] * loss):
        base_first, test_first = {"win": ("B", "A"), "tie": ("A", "A"), "loss": ("A", "B")}[outcome]
        rows.append(Verdict(str(number), metric, "base_first", base_first))
        rows.append(Verdict(str(number), metric, "test_first", test_first))
    return rows


@pytest.mark.parametrize(("name", "personalization", "quality", "published"), PUBLISHED)
def test_published_rows_are_reproduced_from_their_counts(name, personalization, quality, published):
    rows = verdicts("personalization", *personalization) + verdicts("quality", *quality)
    report = win_rates(pair_outcomes(rows))
    metric = report.metrics["personalization"]
    assert (metric.win, metric.tie_order, metric.loss) == personalization
    assert round(report.delta_pq or 0, 1) == published
    low, high = report.delta_pq_ci or (0, 0)
    assert low < (report.delta_pq or 0) < high


@pytest.mark.parametrize(
    ("base_first", "test_first", "outcome"),
    [
        ("B", "A", "win"),
        ("A", "B", "loss"),
        ("A", "A", "tie_order"),
        ("B", "B", "tie_order"),
        ("tie", "tie", "tie_genuine"),
        ("tie", "A", "tie_order"),
        (None, "A", "invalid"),
        ("B", None, "invalid"),
        (None, None, "invalid"),
    ],
)
def test_a_pair_is_decided_by_both_orders(base_first, test_first, outcome):
    rows = [Verdict("1", "quality", "base_first", base_first), Verdict("1", "quality", "test_first", test_first)]
    assert pair_outcomes(rows)["quality"]["1"] == outcome


def test_a_missing_order_is_invalid_and_never_a_win():
    assert pair_outcomes([Verdict("1", "quality", "test_first", "A")])["quality"]["1"] == "invalid"


def test_invalid_pairs_are_counted_apart_and_left_out_of_the_shares():
    rows = verdicts("quality", 3, 0, 1) + [Verdict("x", "quality", "base_first", None)]
    metric = win_rates(pair_outcomes(rows)).metrics["quality"]
    assert (metric.n, metric.invalid, metric.net_win, metric.win_share) == (4, 1, 0.5, 0.75)


def test_without_decided_pairs_delta_pq_is_undefined_with_a_reason():
    report = win_rates(pair_outcomes(verdicts("quality", 0, 5, 0) + verdicts("personalization", 1, 0, 0)))
    assert report.delta_pq is None
    assert report.reasons["delta_pq"] == "no_decided_pairs"
    assert report.metrics["quality"].win_share_ci is None


def test_a_second_verdict_for_the_same_order_is_refused():
    with pytest.raises(ValueError, match="two verdicts"):
        pair_outcomes([Verdict("1", "quality", "base_first", "A")] * 2)


class TestIntervals:
    def test_one_pair_has_a_reason_and_no_interval(self) -> None:
        report = win_rates(pair_outcomes(verdicts("quality", 1, 0, 0) + verdicts("personalization", 1, 0, 0)))
        assert (report.delta_pq, report.delta_pq_ci) == (100, None)
        assert report.reasons["delta_pq_ci"] == report.metrics["quality"].reasons["net_win_ci"] == "single_decided_pair"

    def test_a_single_decided_pair_among_ties_tells_nothing_of_the_decided_ones(self) -> None:
        metric = win_rates(pair_outcomes(verdicts("quality", 1, 30, 0))).metrics["quality"]
        assert metric.net_win_ci is not None and metric.win_share_ci is None
        assert metric.reasons["win_share_ci"] == "single_decided_pair"

    def test_where_all_are_won_the_limit_is_clopper_and_pearsons_and_marked(self) -> None:
        report = win_rates(pair_outcomes(verdicts("quality", 8, 4, 0) + verdicts("personalization", 8, 4, 0)))
        metric = report.metrics["quality"]
        assert metric.win_share_ci == pytest.approx((0.025 ** (1 / 8), 1))  # of the eight decided, not of twelve
        assert report.delta_pq_ci == pytest.approx((200 * 0.025 ** (1 / 8) - 100, 100))
        assert metric.warnings == report.warnings == ["one_sided_interval"]
        assert win_rates(pair_outcomes(verdicts("quality", 8, 4, 1))).metrics["quality"].warnings == []

    def test_personas_of_one_preference_pair_that_only_repeat_each_other_count_once(self) -> None:
        once = {metric: dict(enumerate_names(9, 2, 5)) for metric in ("personalization", "quality")}
        thrice = {metric: {f"{unit}-{copy}": outcome for unit, outcome in of.items() for copy in range(3)}
                  for metric, of in once.items()}  # fmt: skip
        clusters = {unit: unit.split("-")[0] for unit in thrice["quality"]}
        alone, clustered, naive = win_rates(once), win_rates(thrice, clusters), win_rates(thrice)
        assert clustered.delta_pq_ci == pytest.approx(alone.delta_pq_ci)
        assert clustered.metrics["quality"].net_win_ci == pytest.approx(alone.metrics["quality"].net_win_ci)
        assert (clustered.metrics["quality"].clusters, clustered.metrics["quality"].n) == (16, 48)
        assert width(naive.delta_pq_ci) < 0.7 * width(alone.delta_pq_ci)

    def test_both_metrics_of_a_pair_are_drawn_together(self) -> None:
        outcomes = dict(enumerate_names(30, 0, 30))
        turned = {unit: {"win": "loss", "loss": "win"}[outcome] for unit, outcome in outcomes.items()}
        alike = win_rates({"personalization": outcomes, "quality": outcomes}).delta_pq_ci
        opposed = win_rates({"personalization": outcomes, "quality": turned}).delta_pq_ci
        assert width(opposed) < 0.8 * width(alike)

    @pytest.mark.slow
    @pytest.mark.parametrize("per_pair", [1, 3])
    @pytest.mark.parametrize("case", sorted(CASES))
    def test_intervals_hold_the_truth_as_often_as_they_say(self, case: str, per_pair: int) -> None:
        """From few pairs on, with ties, near the ends, and where both metrics go together; see docs/statistics.md."""
        for pairs in (5, 10, 20, 50, 200):
            for name, (held, given) in coverage(case, pairs, per_pair, runs=500).items():
                assert held >= 0.9 * given, (name, pairs, held / given)
                assert pairs < 200 or held <= 0.985 * given, (name, pairs, held / given)


def enumerate_names(win: int, tie: int, loss: int) -> list[tuple[str, str]]:
    return [(str(n), outcome) for n, outcome in enumerate(["win"] * win + ["tie_order"] * tie + ["loss"] * loss)]


def width(ci: tuple[float, float] | None) -> float:
    assert ci is not None
    return ci[1] - ci[0]
