"""Agreement: published values, degenerate tables, and what must not change the result."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from modelhub.stats.agreement import agreement_report
from modelhub.stats.alpha import alpha_of_weights, alpha_without_one_item, krippendorff_alpha, patterns_of
from modelhub.stats.chance import (
    ItemSums,
    brennan_prediger,
    cohen_kappa,
    conger_kappa,
    fleiss_kappa,
    gwet_ac,
    percent_agreement,
)
from modelhub.stats.distance import agreement_weights
from modelhub.stats.icc import icc
from modelhub.stats.multiplicity import holm_adjusted, wilson_interval
from modelhub.stats.ratings import Level, Ratings, make_ratings

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "worked_examples.json").read_text())
LEVELS = [Level.NOMINAL, Level.ORDINAL, Level.INTERVAL, Level.RATIO]


def table(rows: list[list[Any]], level: str = "ordinal", domain: list[Any] | None = None) -> Ratings:
    """Ratings from rows of raters; None is missing."""
    cells = [(str(r), str(i), v) for r, row in enumerate(rows) for i, v in enumerate(row) if v is not None]
    values = [value for _, _, value in cells]
    return make_ratings(
        [rater for rater, _, _ in cells],
        [item for _, item, _ in cells],
        values,
        level=Level(level),
        domain=domain or sorted(set(values)),
    )


def weights_of(name: str | None, ratings: Ratings) -> np.ndarray:
    q = len(ratings.domain)
    apart = np.abs(np.subtract.outer(np.arange(q), np.arange(q)))
    if name == "linear":
        return 1 - apart / (q - 1)
    if name == "gwet-ordinal":
        return 1 - (apart + 1) * apart / (q * (q - 1))
    return agreement_weights(Level.ORDINAL if name else ratings.level, ratings.numbers) if name else np.eye(q)


def measure(example: dict[str, Any]) -> Any:
    name, data, params = example["measure"], example["data"], example["params"]
    if name == "holm_adjusted":
        return holm_adjusted(data[0])
    if name == "wilson_ci":
        return wilson_interval(*data[0], z=params.get("z"))
    if name == "icc":
        return icc(np.array(data, dtype=float).T, params["type"]).value
    ratings = table(data, example["level"])
    weights = weights_of(params.get("weights"), ratings)
    sums = ItemSums.of(ratings.counts, weights)
    return {
        "krippendorff_alpha": lambda: krippendorff_alpha(ratings),
        "percent_agreement": lambda: percent_agreement(sums),
        "gwet_ac1": lambda: gwet_ac(sums).value,
        "gwet_ac2": lambda: gwet_ac(sums).value,
        "fleiss_kappa": lambda: fleiss_kappa(sums).value,
        "fleiss_kappa_missing": lambda: fleiss_kappa(sums).value,
        "conger_kappa": lambda: conger_kappa(ratings, weights).value,
        "brennan_prediger": lambda: brennan_prediger(sums).value,
    }[name]()


@pytest.mark.parametrize("example", GOLDEN, ids=[example["name"] for example in GOLDEN])
def test_published_values_are_reproduced(example):
    assert measure(example) == pytest.approx(example["expected"], abs=example["tolerance"])


cells = st.one_of(st.none(), st.integers(1, 5))
tables = st.integers(2, 5).flatmap(
    lambda raters: st.lists(st.lists(cells, min_size=8, max_size=8), min_size=raters, max_size=raters)
)


@given(rows=tables, level=st.sampled_from(LEVELS))
@settings(max_examples=200, deadline=None)
def test_the_fast_alpha_equals_the_package_on_random_tables(rows, level):
    assume(any(v is not None for row in rows for v in row))
    ratings = table(rows, level, [1, 2, 3, 4, 5])
    exact = krippendorff_alpha(ratings)
    patterns = patterns_of(ratings)
    if exact is None:
        return
    fast = alpha_of_weights(patterns, patterns.sizes[None].astype(float))[0]
    assert fast == pytest.approx(exact, abs=1e-9)
    matrix = np.array([[np.nan if v is None else v for v in row] for row in rows], dtype=float)
    package = krippendorff.alpha(matrix, level_of_measurement=level.value, value_domain=[1, 2, 3, 4, 5])
    assert exact == pytest.approx(package, abs=1e-9)


@given(rows=tables, level=st.sampled_from(LEVELS), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_the_order_of_raters_and_items_changes_nothing(rows, level, seed):
    assume(any(v is not None for row in rows for v in row))
    rng = np.random.default_rng(seed)
    items = rng.permutation(8)
    shuffled = [[rows[r][i] for i in items] for r in rng.permutation(len(rows))]
    first, second = (agreement_report(table(x, level, [1, 2, 3, 4, 5]), replicates=2) for x in (rows, shuffled))
    for name in ("krippendorff_alpha", "percent_agreement", "conger_kappa", "brennan_prediger", "pairable_items"):
        assert getattr(first, name) == pytest.approx(getattr(second, name))


@given(rows=tables)
@settings(max_examples=60, deadline=None)
def test_other_names_for_nominal_categories_change_nothing(rows):
    assume(any(v is not None for row in rows for v in row))
    renamed = [[None if v is None else "zyxwv"[v - 1] for v in row] for row in rows]
    first = agreement_report(table(rows, "nominal", [1, 2, 3, 4, 5]), replicates=2)
    second = agreement_report(table(renamed, "nominal", sorted("zyxwv")), replicates=2)
    for name in ("krippendorff_alpha", "gwet_ac1", "percent_agreement"):
        assert getattr(first, name) == pytest.approx(getattr(second, name))


@given(rows=tables, level=st.sampled_from(LEVELS))
@settings(max_examples=60, deadline=None)
def test_items_rated_once_change_neither_alpha_nor_percent_agreement(rows, level):
    assume(any(v is not None for row in rows for v in row))
    more = [[*row, 5 if r == 0 else None, 1 if r == 0 else None] for r, row in enumerate(rows)]
    first, second = (table(x, level, [1, 2, 3, 4, 5]) for x in (rows, more))
    assert krippendorff_alpha(first) == krippendorff_alpha(second)
    one, other = (percent_agreement(ItemSums.of(ratings.counts, np.eye(5))) for ratings in (first, second))
    assert one == pytest.approx(other)


class TestDegenerateTables:
    def test_nothing_rated(self):
        report = agreement_report(table([[None, None]], domain=[1, 2, 3, 4, 5]))
        assert report.krippendorff_alpha is None
        assert set(report.reasons.values()) == {"no_data"}

    def test_one_rater(self):
        report = agreement_report(table([[1, 2, 3]], domain=[1, 2, 3, 4, 5]))
        assert report.reasons["krippendorff_alpha"] == "single_rater"
        assert report.percent_agreement is None

    def test_no_item_with_two_ratings(self):
        report = agreement_report(table([[1, None], [None, 2]], domain=[1, 2, 3, 4, 5]))
        assert report.reasons["krippendorff_alpha"] == "no_overlap"
        assert (report.ratings, report.items, report.pairable_items) == (2, 2, 0)

    def test_no_variation_at_all(self):
        report = agreement_report(table([[4] * 12, [4] * 12], domain=[1, 2, 3, 4, 5]))
        assert report.percent_agreement == 1
        assert report.krippendorff_alpha is None
        assert report.reasons["krippendorff_alpha"] == "no_variation"
        assert report.gwet_ac2 == pytest.approx(1)

    def test_one_pairable_item(self):
        report = agreement_report(table([[1, 3], [2, None]], domain=[1, 2, 3, 4, 5]))
        assert report.alpha_ci is None
        assert report.reasons["alpha_ci"] == "single_item"

    def test_few_items_give_an_estimate_without_interval(self):
        report = agreement_report(table([[1, 2, 3, 4, 5, 1], [1, 2, 3, 4, 4, 1]], domain=[1, 2, 3, 4, 5]))
        assert report.krippendorff_alpha is not None
        assert report.reasons["alpha_ci"] == "few_items"

    def test_ten_to_thirty_nine_items_mark_the_interval(self):
        report = agreement_report(table([[1, 2, 3, 4, 5] * 3, [1, 2, 3, 4, 4] * 3], domain=[1, 2, 3, 4, 5]))
        assert report.alpha_ci is not None
        assert "ci_undercovers" in report.warnings

    @pytest.mark.parametrize("level", LEVELS)
    def test_exactly_one_deviating_rating_gives_alpha_exactly_zero(self, level):
        report = agreement_report(table([[4] * 50, [4] * 49 + [5]], level, [1, 2, 3, 4, 5]))
        assert report.krippendorff_alpha == 0
        assert report.percent_agreement == pytest.approx(0.98)
        assert "single_deviation" in report.warnings

    def test_an_interval_from_many_undefined_replicates_is_marked(self):
        report = agreement_report(table([[4] * 39 + [1, 1], [4] * 39 + [1, 2]], domain=[1, 2, 3, 4, 5]))
        assert "ci_unreliable" in report.warnings


def test_every_none_has_a_reason_and_nothing_is_nan():
    degenerate: list[list[list[Any]]] = [
        [[None]], [[1, 2]], [[1, None], [None, 2]], [[3, 3], [3, 3]], [[1, 2, None], [1, 3, 4]],
    ]  # fmt: skip
    for rows in degenerate:
        for level in LEVELS:
            report = agreement_report(table(rows, level, [1, 2, 3, 4, 5]), replicates=10)
            json.dumps(report.model_dump(mode="json"), allow_nan=False)
            for name, value in report:
                if value is None:
                    assert name in report.reasons, (rows, level, name)


def test_a_biased_rater_is_named_by_the_diagnostics_and_leaving_them_out_raises_alpha():
    rng = np.random.default_rng(0)
    truth = rng.integers(2, 5, 60)
    rows = [truth.tolist(), truth.tolist(), rng.integers(1, 6, 60).tolist(), np.minimum(truth + 1, 5).tolist()]
    report = agreement_report(table(rows, domain=[1, 2, 3, 4, 5]))
    lines = {line.rater: line for line in report.rater_diagnostics}
    assert max(lines, key=lambda name: lines[name].alpha_change or 0) == "2"
    assert max(lines, key=lambda name: lines[name].bias or 0) == "3"


def test_leaving_a_rater_out_equals_the_table_without_them():
    rng = np.random.default_rng(1)
    rows = np.where(rng.random((4, 30)) < 0.8, rng.integers(1, 6, (4, 30)), 0).tolist()
    ratings = table([[v or None for v in row] for row in rows], domain=[1, 2, 3, 4, 5])
    lines = agreement_report(ratings, replicates=2).rater_diagnostics
    for rater, line in enumerate(lines):
        kept = ratings.rater != rater
        others = replace(ratings, rater=ratings.rater[kept], item=ratings.item[kept], code=ratings.code[kept])
        assert line.alpha_without == pytest.approx(krippendorff_alpha(others))


def test_nothing_about_a_rater_is_empty_without_a_reason():
    for level, rows in (("ordinal", [[1, 2, None], [None, 2, 3], [3, None, None]]), ("nominal", [[1, 2], [1, 1]])):
        report = agreement_report(table(rows, level, [1, 2, 3]))
        for line in report.rater_diagnostics:
            assert {name for name, value in line if value is None} == set(line.reasons)
        assert all((pair.kappa is None) == (pair.reason is not None) for pair in report.pairwise_kappa)


@pytest.mark.parametrize("level", ["ordinal", "interval", "ratio"])
def test_scales_of_many_values_have_an_interval_too(level):
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 200, 150)
    rows = [(truth + rng.integers(0, 60, 150)).tolist() for _ in range(2)]
    report = agreement_report(table(rows, level), replicates=500)
    assert report.alpha_ci is not None and report.krippendorff_alpha is not None
    low, high = report.alpha_ci
    assert low < report.krippendorff_alpha < high < low + 0.2


@given(rows=tables, level=st.sampled_from(LEVELS))
@settings(max_examples=60, deadline=None)
def test_leaving_an_item_out_equals_the_table_without_it(rows, level):
    patterns = patterns_of(table([[*row, n % 5 + 1] for n, row in enumerate(rows)], level, [1, 2, 3, 4, 5]))
    values = alpha_without_one_item(patterns)
    assert values is not None
    for index, value in enumerate(values):
        left = patterns.sizes - (np.arange(len(patterns.sizes)) == index)
        counts = np.repeat(patterns.counts, left, axis=0)
        if np.count_nonzero(counts.sum(axis=0)) < 2:
            assert np.isnan(value)
            continue
        package = krippendorff.alpha(
            value_counts=counts, value_domain=[1, 2, 3, 4, 5], level_of_measurement=level.value
        )
        assert value == pytest.approx(package, abs=1e-9)


def test_cohens_kappa_of_the_textbook_table():
    # 20 both yes, 15 both no, 5 and 10 apart: observed .70, expected .50.
    first = np.array([1] * 20 + [1] * 5 + [0] * 10 + [0] * 15)
    second = np.array([1] * 20 + [0] * 5 + [1] * 10 + [0] * 15)
    assert cohen_kappa(first, second, np.eye(2)).value == pytest.approx(0.4)


def test_the_same_seed_gives_the_same_interval_and_another_seed_nearly_the_same():
    rng = np.random.default_rng(3)
    truth = rng.integers(1, 6, 200)
    rows = [np.clip(truth + rng.integers(-1, 2, 200), 1, 5).tolist() for _ in range(3)]
    ratings = table(rows, domain=[1, 2, 3, 4, 5])
    first, again, other = (agreement_report(ratings, seed=seed).alpha_ci for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first == pytest.approx(other, abs=0.02)
