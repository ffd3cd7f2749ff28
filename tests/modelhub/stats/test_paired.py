"""Paired comparison: exact tests against brute force, known cases, type-I error."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from modelhub.stats.effects import PairedRating
from modelhub.stats.paired import paired_report, wilcoxon_exact
from modelhub.stats.signflip import sign_flip


def brute_force(values: list[Fraction]) -> float:
    total = abs(sum(values, Fraction(0)))
    signs = product((1, -1), repeat=len(values))
    sums = [abs(sum((s * v for s, v in zip(row, values, strict=True)), Fraction(0))) for row in signs]
    return sum(value >= total for value in sums) / len(sums)


fractions = st.builds(Fraction, st.integers(-20, 20), st.sampled_from([1, 2, 3, 7]))


@given(values=st.lists(fractions, min_size=1, max_size=9))
@settings(max_examples=150, deadline=None)
def test_the_exact_sign_flip_equals_counting_all_assignments(values):
    assert sign_flip(values).p == pytest.approx(brute_force(values))


@given(values=st.lists(fractions, min_size=1, max_size=9))
@settings(max_examples=60, deadline=None)
def test_no_data_reach_a_smaller_p_than_the_smallest(values):
    tested = sign_flip(values)
    assert tested.p >= tested.smallest_p - 1e-12
    same_side = sign_flip([abs(value) for value in values])
    assert same_side.p == pytest.approx(same_side.smallest_p)


def test_five_participants_can_never_reject_at_five_percent():
    tested = sign_flip([Fraction(1)] * 5)
    assert tested.p == tested.smallest_p == 0.0625


def test_many_incommensurable_values_fall_back_to_monte_carlo_and_say_so():
    rng = np.random.default_rng(0)
    values = [
        Fraction(int(v), int(d)) for v, d in zip(rng.integers(1, 900, 40), rng.integers(800, 999, 40), strict=True)
    ]
    tested = sign_flip(values, seed=1)
    assert "Monte Carlo" in tested.method
    assert 0 < tested.p < 0.001


@given(values=st.lists(st.integers(-9, 9).filter(bool), min_size=2, max_size=12, unique_by=abs))
@settings(max_examples=60, deadline=None)
def test_wilcoxon_equals_scipy_where_scipy_is_exact(values):
    ours = wilcoxon_exact([Fraction(value) for value in values])
    assert ours == pytest.approx(stats.wilcoxon(values, method="exact").pvalue)


def test_wilcoxon_counts_ties_and_zeros_exactly():
    # |values| 0 1 1 2: mid-ranks 1, 2.5, 2.5, 4; the zero keeps its rank out of the sum (Pratt). 2 of 8 are as extreme.
    assert wilcoxon_exact([Fraction(v) for v in (0, 1, 1, 2)]) == pytest.approx(0.25)


def pairs(table: list[list[int]], base: int = 3, *, shared: bool = False) -> list[PairedRating]:
    return [
        PairedRating(f"p{p}", f"i{i if shared else p * 100 + i}", Fraction(base), Fraction(base + value))
        for p, row in enumerate(table)
        for i, value in enumerate(row)
    ]


def test_a_known_comparison():
    report = paired_report(pairs([[1, 1], [0, 1], [1, 0], [0, 0]]), margin=0.5)
    assert report.mean_difference == 0.5
    assert report.ci == pytest.approx([0.5 - 3.18245 * 0.204124, 0.5 + 3.18245 * 0.204124], abs=1e-4)
    assert report.sign_flip_p == 0.25
    assert report.win_tie_loss.model_dump() == {"win": 4, "tie": 4, "loss": 0}
    assert report.p_superiority == 0.75
    assert report.rank_biserial == 1
    assert report.favouring.model_dump() == {"test": 3, "base": 0, "neither": 1}
    assert report.non_inferiority.non_inferior
    assert not report.tost.equivalent
    assert report.reasons == dict.fromkeys(("prompt_sign_flip_p", "quasi_t_p", "quasi_t"), "no_shared_prompts")


def test_a_participant_with_many_pairs_weighs_no_more_than_one_with_few():
    report = paired_report(pairs([[1] * 50, [-1], [-1], [-1]]))
    assert report.mean_difference == -0.5


def test_shared_prompts_are_a_second_random_factor_and_the_headline_is_the_larger_p():
    rng = np.random.default_rng(2)
    by_prompt = rng.normal(0.6, 1.5, 6)
    table = [[int(np.clip(round(v), -2, 2)) for v in by_prompt] for _ in range(12)]
    report = paired_report(pairs(table, shared=True))
    assert report.sign_flip_p is not None
    assert report.prompt_sign_flip_p is not None
    assert report.headline_p is not None
    assert report.sign_flip_p < 0.01 < 0.05 < report.prompt_sign_flip_p
    assert report.headline_p >= report.prompt_sign_flip_p


def test_the_crossed_quasi_t_equals_the_textbook_mean_squares():
    table = np.array([[1, 2, 0], [2, 3, 1], [0, 1, 1], [1, 1, -1]])
    found = paired_report(pairs(table.tolist(), shared=True)).quasi_t
    assert found is not None
    n, k = table.shape
    grand = table.mean()
    ms_p = k * ((table.mean(1) - grand) ** 2).sum() / (n - 1)
    ms_i = n * ((table.mean(0) - grand) ** 2).sum() / (k - 1)
    residual = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + grand
    ms_e = (residual**2).sum() / ((n - 1) * (k - 1))
    assert found.t == pytest.approx(grand / np.sqrt((ms_p + ms_i - ms_e) / (n * k)))


def test_without_a_margin_nothing_is_said_about_non_inferiority():
    report = paired_report(pairs([[1], [0], [1]]))
    assert report.non_inferiority is None
    assert report.reasons["non_inferiority"] == "margin_not_specified"


@pytest.mark.parametrize("table", [[], [[0]], [[1]], [[0], [0]]])
def test_degenerate_comparisons_give_reasons_instead_of_numbers(table):
    report = paired_report(pairs(table), margin=0.25)
    missing = {name for name in type(report).model_fields if getattr(report, name) is None}
    assert missing == set(report.reasons)


def null_study(rng: np.random.Generator) -> list[PairedRating]:
    person = rng.normal(0, 0.6, (8, 1))
    table = np.clip(np.rint(person + rng.normal(0, 1.2, (8, 18))), -4, 4).astype(int)
    return pairs(table.tolist())


@pytest.mark.slow
def test_the_sign_flip_keeps_its_level_where_a_test_over_pairs_does_not():
    rng = np.random.default_rng(11)
    studies = [null_study(rng) for _ in range(600)]
    reports = [paired_report(study) for study in studies]
    ours = np.mean([(report.sign_flip_p or 0) <= 0.05 for report in reports])
    over_pairs = np.mean([stats.wilcoxon([float(p.difference) for p in study]).pvalue <= 0.05 for study in studies])
    assert ours <= 0.05 + 3 * 0.009
    assert over_pairs > 0.13
    covered = np.mean([low <= 0 <= high for low, high in (report.ci or (1, 0) for report in reports)])
    assert abs(covered - 0.95) < 4 * 0.009


def test_a_variance_component_estimated_as_negative_counts_as_none():
    rng = np.random.default_rng(4)
    table = rng.normal(1, 0.5, (8, 1)) + rng.permuted(np.tile([-1, -1, 0, 1, 1], (8, 1)), axis=1)
    table -= table.mean(axis=0) - table.mean()  # prompts do not differ at all
    found = paired_report([PairedRating(f"p{i}", f"q{j}", base=0, test=Fraction(float(table[i, j])))
                           for i in range(8) for j in range(5)]).quasi_t  # fmt: skip
    assert found is not None
    assert found.df == 7
    assert found.p == pytest.approx(stats.ttest_1samp(table.mean(axis=1), 0).pvalue)


@pytest.mark.slow
def test_the_crossed_test_keeps_its_level_whether_or_not_participants_and_prompts_differ():
    rng = np.random.default_rng(6)
    for between_people, between_prompts in ((0, 0), (0.4, 0), (0, 0.3), (0.4, 0.3)):
        rejected = 0
        for _ in range(400):
            table = (
                rng.normal(0, between_people, (8, 1)) + rng.normal(0, between_prompts, (1, 10))
                + rng.normal(0, 1.4, (8, 10))
            ).round()  # fmt: skip
            found = paired_report(pairs(table.astype(int).tolist(), shared=True)).quasi_t
            rejected += found is not None and found.p <= 0.05
        assert rejected / 400 <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def test_many_values_with_large_sums_are_tested_by_drawing_signs():
    rng = np.random.default_rng(5)
    values = [Fraction(int(value), 9973) for value in rng.integers(-50_000, 60_000, 300)]
    drawn = sign_flip(values, seed=1)
    assert drawn.method.startswith("Monte Carlo")
    normal = 2 * stats.norm.sf(abs(float(sum(values))) / float(sum(value**2 for value in values)) ** 0.5)
    assert drawn.p == pytest.approx(normal, abs=0.01)
    assert sign_flip(values, seed=1) == drawn


def test_one_shared_prompt_says_nothing_of_other_prompts_and_the_report_says_so():
    report = paired_report([PairedRating(str(n), "the only one", Fraction(1), Fraction(2 + n % 2)) for n in range(8)])
    assert (report.sign_flip_p or 1) < 0.05
    assert report.headline_p == 1.0
    assert report.reasons["quasi_t_p"] == "single_prompt"
    assert "too_few_prompts_to_reject_at_05" in report.warnings


def test_without_any_spread_nothing_is_claimed_about_a_margin():
    report = paired_report([PairedRating(name, name, Fraction(3), Fraction(3)) for name in "ab"], margin=0.5)
    assert report.tost is None
    assert report.non_inferiority is None
    assert report.reasons["tost"] == "no_variation_of_differences"
    assert "no_variation_of_differences" in report.warnings


def test_a_standardized_difference_that_hangs_on_one_participant_has_no_interval() -> None:
    report = paired_report([PairedRating("p", "i", base=1, test=2), PairedRating("q", "j", base=1, test=5)])
    assert report.standardized == pytest.approx(2.5 / 2**0.5 / 0.75, rel=0.01)
    assert (report.standardized_ci, report.reasons["standardized_ci"]) == (None, "unstable")
