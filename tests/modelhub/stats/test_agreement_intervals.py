"""Intervals of agreement: what they cover, where they collapse, and what is advised on the strength of them."""

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from modelhub.results.agreement import AgreementReport, PairKappa
from modelhub.stats.agreement import REVERSED, agreement_report
from modelhub.stats.chance import ItemSums, brennan_prediger, cohen_kappa, conger_kappa, fleiss_kappa, gwet_ac
from modelhub.stats.distance import agreement_weights
from modelhub.stats.icc import icc
from modelhub.stats.iteminterval import LeftOut
from modelhub.stats.ratings import Level, Ratings
from tests.modelhub.stats.test_agreement import table, tables

SCALE = [1, 2, 3, 4, 5]
ORDINAL = (
    "percent_agreement", "percent_within_1", "krippendorff_alpha", "gwet_ac2", "fleiss_kappa", "conger_kappa",
    "brennan_prediger", "icc_a1", "icc_c1",
)  # fmt: skip


def ratings(codes: Any, level: str = "ordinal") -> Ratings:
    """Ratings from an array of values, shape (items, raters)."""
    return table(np.asarray(codes).T.tolist(), level, SCALE)


def reported(codes: Any, level: str = "ordinal", **options: Any) -> AgreementReport:
    return agreement_report(ratings(codes, level), **{"replicates": 200, **options})


def some(items: int, raters: int = 3, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 6, items)
    return np.clip(truth[:, None] + rng.integers(-1, 2, (items, raters)), 1, 5)


def of(report: AgreementReport, name: str) -> tuple[float, float]:
    ci = report.intervals[name].ci
    assert ci is not None
    return ci


class TestLeavingItemsOut:
    """What intervals rest on equals the coefficient of the table without the item."""

    @given(rows=tables, nominal=st.booleans())
    @settings(max_examples=80, deadline=None)
    def test_of_coefficients_by_counts_and_of_congers_kappa(self, rows: list[list[Any]], nominal: bool) -> None:
        rows = [[*row, 1 + place % 5] for place, row in enumerate(rows)]
        found = table(rows, "nominal" if nominal else "ordinal", SCALE)
        weights = agreement_weights(found.level, found.numbers)
        sums = ItemSums.of(found.counts, weights)
        for coefficient in (gwet_ac, fleiss_kappa, brennan_prediger):
            expected = [coefficient(ItemSums.of(np.delete(found.counts, item, axis=0), weights)).value
                        for item in range(len(found.counts))]  # fmt: skip
            assert every(coefficient(sums)) == pytest.approx(ordered(expected), nan_ok=True)
        left = [table([np.delete(row, item).tolist() for row in rows], str(found.level), SCALE)
                for item in range(9) if any(row[item] is not None for row in rows)]  # fmt: skip
        expected = [conger_kappa(part, weights).value for part in left]
        assert every(conger_kappa(found, weights)) == pytest.approx(ordered(expected), nan_ok=True)

    def test_of_cohens_kappa_and_of_intraclass_correlations(self) -> None:
        values = some(14, 2)
        weights = agreement_weights(Level.ORDINAL, np.array(SCALE, dtype=float))

        def kappa(codes: np.ndarray) -> LeftOut:
            return cohen_kappa(codes[:, 0] - 1, codes[:, 1] - 1, weights)

        kappas = [kappa(np.delete(values, item, axis=0)).value for item in range(14)]
        assert every(kappa(values)) == pytest.approx(ordered(kappas))
        for kind in ("ICC(2,1)", "ICC(3,1)"):
            alone = [icc(np.delete(values, item, axis=0).astype(float), kind).value for item in range(14)]
            assert every(icc(values.astype(float), kind)) == pytest.approx(ordered(alone))


def every(found: LeftOut) -> np.ndarray:
    return np.sort(np.repeat(found.without, found.sizes.astype(int)))


def ordered(values: list[float | None]) -> np.ndarray:
    return np.sort(np.array([np.nan if value is None else value for value in values]))


class TestEveryCoefficientHasAnInterval:
    def test_that_holds_its_estimate_and_narrows_with_items(self) -> None:
        small, large = reported(some(15)), reported(some(400))
        for name in ORDINAL:
            low, high = of(small, name)
            assert low < getattr(small, name) < high, name
            assert of(large, name)[1] - of(large, name)[0] < (high - low) / 2, name
        assert all(pair.interval.ci is not None for pair in small.pairwise_kappa)

    def test_of_shares_it_is_the_exact_one_where_items_are_right_or_wrong(self) -> None:
        values = np.array([[1, 1]] * 17 + [[1, 2]] * 3)
        exact = scipy.stats.binomtest(17, 20).proportion_ci(method="exact")
        assert of(reported(values, "nominal"), "percent_agreement") == pytest.approx((exact.low, exact.high))

    def test_of_brennan_prediger_it_follows_from_that_of_agreement(self) -> None:
        report = reported(some(30), "nominal")
        shares = of(report, "percent_agreement")
        assert of(report, "brennan_prediger") == pytest.approx([(share - 0.2) / 0.8 for share in shares])

    def test_few_items_have_none_and_up_to_39_are_marked_where_coverage_suffers(self) -> None:
        few = reported(some(9))
        assert {found.reason for name, found in few.intervals.items() if name in ORDINAL} == {"few_items"}
        assert {pair.interval.reason for pair in few.pairwise_kappa} == {"few_items"}
        marked = reported(some(12))
        for name in ("krippendorff_alpha", "gwet_ac2", "conger_kappa", "icc_c1"):
            assert "ci_undercovers" in marked.intervals[name].warnings, name
        assert marked.intervals["percent_agreement"].warnings == []
        assert "ci_undercovers" not in reported(some(40)).intervals["gwet_ac2"].warnings


def test_no_limit_is_outside_of_what_the_measure_allows_and_no_interval_is_a_point_without_a_word() -> None:
    kinds = {
        "two items": [[1, 1], [2, 3]],
        "all equal": [[4, 4]] * 20,
        "all equal but one": [[4, 4]] * 19 + [[4, 5]],
        "one value dominates": [[4, 4]] * 27 + [[4, 5], [5, 5], [3, 4]],
        "full agreement": [[value, value] for value in SCALE * 4],
        "as far apart as can be": [[1, 5], [5, 1]] * 10,
        "apart by a constant": [[value, value + 1] for value in (1, 2, 3, 4) * 5],
        "no equal pair": [[1, 2], [2, 1], [3, 5], [4, 2]] * 5,
        "chance": np.random.default_rng(1).integers(1, 6, (30, 3)),
    }
    for kind, codes in kinds.items():
        for level in ("nominal", "ordinal", "interval", "ratio"):
            report = reported(codes, level)
            assert {name for name, value in report if value is None} <= set(report.reasons), (kind, level)
            found = {**report.intervals, **{str(pair.raters): pair.interval for pair in report.pairwise_kappa}}
            for name, one in found.items():
                if one.ci is None:
                    assert one.reason, (kind, level, name)
                    continue
                low, high = one.ci
                lowest = 0 if name.startswith("percent") else -3.1 if name == "brennan_prediger" else -1
                assert lowest <= low < high <= 1, (kind, level, name)


class TestFullAgreement:
    def test_keeps_a_lower_limit_that_many_items_bring_near_to_1(self) -> None:
        few, many = (reported([[value, value, value] for value in SCALE * times]) for times in (4, 400))
        for name in ORDINAL:
            assert getattr(few, name) == pytest.approx(1)
            low, high = of(few, name)
            assert high == 1 and low < 0.85, name
            assert of(many, name)[0] > 0.98, name
        assert "perfect_agreement_interval" in few.warnings
        assert few.pairwise_kappa[0].interval.warnings == ["perfect_agreement_interval"]

    def test_of_order_alone_says_nothing_about_how_sure_consistency_is(self) -> None:
        report = reported([[value, value + 1] for value in (1, 2, 3, 4) * 5])
        assert report.icc_c1 == pytest.approx(1)
        assert report.intervals["icc_c1"].reason == "items_all_alike"

    def test_the_limit_of_alpha_is_the_worst_that_as_many_items_hide(self) -> None:
        """As many items as the limit speaks of, each as far apart as can be, bring alpha down to about the limit."""
        low = of(reported([[value, value] for value in [1, 5] * 100]), "krippendorff_alpha")[0]
        hidden = round((1 - 0.025 ** (1 / 200)) * 200)
        worst = reported([[value, value] for value in [1, 5] * 100][:-hidden] + [[1, 5]] * hidden)
        assert worst.krippendorff_alpha == pytest.approx(low, abs=0.01)


def test_where_one_item_decides_there_is_no_interval() -> None:
    report = reported([[4, 4]] * 49 + [[4, 5]])
    for name in ("krippendorff_alpha", "fleiss_kappa", "conger_kappa", "icc_a1"):
        assert report.intervals[name].reason == "single_item_decides", name
    assert of(report, "gwet_ac2")[0] > 0.9
    assert of(report, "percent_agreement")[0] < 0.95


def test_an_interval_that_rests_on_few_items_says_so() -> None:
    report = reported([[4, 4]] * 57 + [[4, 5], [5, 5], [3, 4]])
    assert report.intervals["fleiss_kappa"].warnings == ["few_items_vary"]
    assert report.pairwise_kappa[0].interval.warnings == ["few_items_vary"]
    assert "few_items_vary" not in reported(some(60)).intervals["fleiss_kappa"].warnings


class TestAReversedScale:
    def reversed_one(self, raters: int, *, seed: int = 3) -> np.ndarray:
        rng = np.random.default_rng(seed)
        truth = rng.integers(1, 6, 60)
        values = np.clip(truth[:, None] + rng.integers(-1, 2, (60, raters)), 1, 5)
        values[:, 0] = 6 - values[:, 0]
        return values

    @pytest.mark.parametrize("raters", [2, 3])
    def test_of_one_rater_is_looked_for(self, raters: int) -> None:
        report = reported(self.reversed_one(raters))
        assert report.alpha_ci is not None and report.alpha_ci[1] < 0
        assert REVERSED in report.warnings

    def test_is_not_claimed_from_a_negative_number_alone(self) -> None:
        report = reported(np.random.default_rng(1).integers(1, 6, (200, 2)))
        assert report.krippendorff_alpha is not None and report.krippendorff_alpha < 0 and report.alpha_ci is not None
        assert report.alpha_ci[1] > 0
        assert REVERSED not in report.warnings

    def test_is_not_claimed_of_three_who_all_disagree_and_still_do_without_one(self) -> None:
        turns = [[1, 3, 5], [3, 5, 1], [5, 1, 3]] * 20
        report = reported([*turns, [4, 2, 1], [5, 5, 2]])
        assert report.alpha_ci is not None and report.alpha_ci[1] < 0
        assert all(line.correlation is not None and line.correlation < 0 for line in report.rater_diagnostics)
        assert REVERSED not in report.warnings

    def test_is_not_claimed_of_categories(self) -> None:
        values = np.random.default_rng(2).integers(1, 6, 60)
        report = reported(np.stack([values, values % 5 + 1], axis=1), "nominal")
        assert report.alpha_ci is not None and report.alpha_ci[1] < 0
        assert REVERSED not in report.warnings

    def test_is_not_claimed_where_ratings_go_the_same_way_far_apart(self) -> None:
        low = np.random.default_rng(0).integers(1, 3, 60)
        report = reported(np.stack([low, low + 3], axis=1))
        assert report.alpha_ci is not None and report.alpha_ci[1] < 0
        assert REVERSED not in report.warnings


def test_ranks_within_raters_correlate_as_spearman_has_it() -> None:
    rng = np.random.default_rng(5)
    rows = np.where(rng.random((6, 40)) < 0.7, rng.integers(1, 6, (6, 40)), 0).tolist()
    found = table([[value or None for value in row] for row in rows], domain=SCALE)
    for line in agreement_report(found, replicates=2).rater_diagnostics:
        mine = int(line.rater)
        own, others = [], []
        for item in range(40):
            rest = [rows[rater][item] for rater in range(6) if rater != mine and rows[rater][item]]
            if rows[mine][item] and rest:
                own.append(rows[mine][item])
                others.append(np.mean(rest))
        assert line.correlation == pytest.approx(scipy.stats.spearmanr(own, others).statistic)
        assert line.bias == pytest.approx(np.mean(np.array(own) - others))


DESIGNS = {
    "even": ([0.2] * 5, 0.35),
    "skewed": ([0.02, 0.03, 0.05, 0.2, 0.7], 0.2),
    "chance": ([0.1, 0.2, 0.3, 0.2, 0.2], None),
}
PAIR = "kappa"


def drawn(rng: np.random.Generator, items: int, raters: int, design: str) -> np.ndarray:
    """Ratings of a truth, with errors of one point, the second rater's upwards more often; or of nothing."""
    shares, error = DESIGNS[design]
    if error is None:
        return rng.choice(SCALE, (items, raters), p=shares)
    truth = rng.choice(SCALE, items, p=shares)
    steps = [rng.choice([-1, 0, 1, rater % 2], items, p=[error / 3, 1 - error, error / 3, error / 3])
             for rater in range(raters)]  # fmt: skip
    return np.clip(truth + np.array(steps), 1, 5).T


def measured(report: AgreementReport, pair: PairKappa) -> dict[str, tuple[float | None, tuple[float, float] | None]]:
    found = {name: (getattr(report, name), report.intervals[name].ci) for name in ORDINAL}
    return {**found, PAIR: (pair.kappa, pair.interval.ci)}


def coverage(design: str, items: int, raters: int, studies: int) -> dict[str, float]:
    """Return by measure the share of studies whose interval holds the value of very many items."""
    rng = np.random.default_rng(11)
    whole = reported(drawn(rng, 100_000, raters, design), replicates=2)
    true = {name: value for name, (value, _) in measured(whole, whole.pairwise_kappa[0]).items()}
    hits: defaultdict[str, list[bool]] = defaultdict(list)
    for seed in range(studies):
        report = reported(drawn(rng, items, raters, design), replicates=400, seed=seed)
        for name, (_, ci) in measured(report, report.pairwise_kappa[0]).items():
            value = true[name]
            if ci is not None and value is not None:
                hits[name].append(ci[0] - 1e-9 <= value <= ci[1] + 1e-9)
    return {name: float(np.mean(found)) for name, found in hits.items()}


@pytest.mark.slow
@pytest.mark.parametrize("raters", [2, 3])
@pytest.mark.parametrize("items", [10, 20, 40, 100])
@pytest.mark.parametrize("design", DESIGNS)
def test_intervals_cover_the_truth_about_as_often_as_they_say(design: str, items: int, raters: int) -> None:
    """The table in docs/statistics.md is of 1,000 studies; of 300, each share has a standard error of .013."""
    least = 0.95 - 4 * 0.013 if items >= 40 else 0.8
    for name, share in coverage(design, items, raters, 300).items():
        assert share >= (0.9 if name.startswith(("percent", "brennan")) else least), name
