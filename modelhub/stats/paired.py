"""Two systems rated by the same participants on the same items. The participant is the unit.

Differences are test minus base. Rows of one participant are not independent of each other: a test over pairs rejects
a true null far too often, so every headline number is over participants' means. Where participants share prompts, and
results are to hold for other prompts too, prompts are a second sample: interval, bounds and tests take it into account.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np
import scipy

from modelhub.results.base import Interval
from modelhub.results.comparison import (
    CrossedTest,
    Equivalence,
    MarginTests,
    NonInferiority,
    PairedReport,
    Tests,
    Unit,
)
from modelhub.stats.crossed import Cells, Spread, mean_spread
from modelhub.stats.effects import PairedRating, paired_effects
from modelhub.stats.ratings import FloatArray, IntArray
from modelhub.stats.signflip import SignFlip, sign_flip

LEVEL = 0.05
T_METHOD = "t over participants"
CROSSED_METHOD = "t over participants and prompts, crossed"


@dataclass(frozen=True)
class PairedTests:
    """The p-values of one mean; `headline` is the largest of those that generalise as the interval does."""

    by_person: SignFlip | None
    by_prompt: SignFlip | None
    crossed: CrossedTest | None

    @property
    def headline(self) -> float | None:
        found = [one.p for one in (self.by_person, self.by_prompt, self.crossed) if one is not None]
        return max(found, default=None)


def paired_report(
    pairs: Sequence[PairedRating],
    *,
    margin: float | None = None,
    span: float | None = None,
    prompts_fixed: bool = False,
    seed: int = 0,
) -> PairedReport:
    """Return the paired comparison of two systems on one aspect, with `reasons` for what is None.

    `margin` is the non-inferiority and equivalence margin in points of the scale, fixed before the data were seen;
    `span` the largest difference that the scale allows. With `prompts_fixed` results speak of these prompts alone.
    """
    exact = [pair.difference for pair in pairs]
    differences = np.array([float(value) for value in exact])
    cells = Cells([pair.participant for pair in pairs], None if prompts_fixed else [pair.item for pair in pairs])
    means = exact_means(cells.person, exact)
    prompts = exact_means(cells.prompt, exact) if cells.is_crossed else []
    spread = mean_spread(cells, differences)
    tests = paired_tests(means, prompts, spread, cells, seed=seed)
    report = PairedReport(
        n_participants=len(means),
        n_pairs=len(pairs),
        n_prompts=len({pair.item for pair in pairs}),
        generalises_over=units_of(cells),
        mean_base=_mean(pairs, "base"),
        mean_test=_mean(pairs, "test"),
        mean_difference=float(sum(means, Fraction(0)) / len(means)) if means else None,
        ci=spread.interval(span=span) if spread else None,
        ci_method=CROSSED_METHOD if cells.is_crossed else T_METHOD,
        ci_df=spread.df if spread else None,
        **dict(_tested(tests, means)),
        **dict(paired_effects(pairs, differences, means, cells)),
        **dict(_margin(spread, margin, span)),
        reasons={},
        warnings=[],
    )
    report.reasons = _reasons(report, spread, cells, margin)
    report.warnings = [*_warnings(report, cells, prompts_fixed, tests)]
    return report


def paired_tests(
    people: list[Fraction], prompts: list[Fraction], spread: Spread | None, cells: Cells, *, seed: int
) -> PairedTests:
    """Return the tests of a mean against 0, from participants' means, prompts' means and the mean's spread."""
    crossed = None
    if cells.is_crossed and spread is not None and (p := spread.p()) is not None:
        crossed = CrossedTest(t=spread.estimate / spread.error, df=spread.df, p=p)
    by_prompt = sign_flip(prompts, seed=seed) if cells.is_crossed else None
    return PairedTests(sign_flip(people, seed=seed), by_prompt, crossed)


def units_of(cells: Cells) -> list[Unit]:
    """Return what an estimate from these cells generalises over."""
    return ["participants", "prompts"] if cells.is_crossed else ["participants"]


def t_interval(values: FloatArray) -> Interval | None:
    """Return the t-interval of a mean, shape (n,); None without any spread."""
    if len(values) < 2:
        return None
    error = float(values.std(ddof=1)) / len(values) ** 0.5
    return Spread(float(values.mean()), error, len(values) - 1.0, len(values)).interval()


def wilcoxon_exact(values: Sequence[Fraction]) -> float | None:
    """Return the exact two-sided p of the signed-rank test with mid-ranks and Pratt's treatment of zeros.

    All sign assignments of the ranks are counted, so ties are exact too (scipy's `exact` ignores them).
    Source: Pratt (1959), Remarks on zeros and ties in the Wilcoxon signed rank procedures.
    """
    if not any(values):
        return None
    doubled = scipy.stats.rankdata([abs(value) for value in values]) * 2  # mid-ranks are halves
    signed = [
        Fraction(int(rank)) * (value > 0) - Fraction(int(rank)) * (value < 0)
        for rank, value in zip(doubled, values, strict=True)
    ]
    tested = sign_flip(signed)
    return tested.p if tested else None


def _tested(tests: PairedTests, means: list[Fraction]) -> Tests:
    person, prompt = tests.by_person, tests.by_prompt
    return Tests(
        sign_flip_p=person.p if person else None,
        smallest_p=person.smallest_p if person else None,
        sign_flip_method=person.method if person else None,
        prompt_sign_flip_p=prompt.p if prompt else None,
        quasi_t_p=tests.crossed.p if tests.crossed else None,
        quasi_t=tests.crossed,
        headline_p=tests.headline,
        wilcoxon_p=wilcoxon_exact(means),
    )


def _margin(spread: Spread | None, margin: float | None, span: float | None) -> MarginTests:
    """Return both tests at the margin; without any spread there is no standard error to test with."""
    limits = spread.interval(confidence=0.90) if spread else None
    if margin is None or spread is None or limits is None:
        return MarginTests()
    low, high = limits
    p = max(
        float(scipy.stats.t.sf((spread.estimate + margin) / spread.error, spread.df)),
        float(scipy.stats.t.cdf((spread.estimate - margin) / spread.error, spread.df)),
    )
    shown = spread.interval(confidence=0.90, span=span) or limits
    return MarginTests(
        non_inferiority=NonInferiority(margin=margin, lower_bound=shown[0], non_inferior=low > -margin),
        tost=Equivalence(margin=margin, ci_90=shown, p=p, equivalent=-margin < low and high < margin),
    )


def _reasons(report: PairedReport, spread: Spread | None, cells: Cells, margin: float | None) -> dict[str, str]:
    few = cells.why_no_spread or ("no_variation_of_differences" if spread and not spread.varies else "unstable")
    any_pair = "no_difference" if report.n_pairs else "no_data"
    codes = {
        **dict.fromkeys(("mean_difference", "mean_base", "mean_test", "sign_flip_p", "smallest_p"), "no_data"),
        **dict.fromkeys(("sign_flip_method", "headline_p", "p_superiority", "cliffs_delta_unpaired"), "no_data"),
        **dict.fromkeys(("ci", "ci_df", "p_superiority_ci", "cliffs_delta_unpaired_ci"), few),
        "prompt_sign_flip_p": "no_shared_prompts",
        **dict.fromkeys(("quasi_t_p", "quasi_t"), few if cells.is_crossed else "no_shared_prompts"),
        **dict.fromkeys(("rank_biserial", "wilcoxon_p"), any_pair),
        "rank_biserial_ci": any_pair if report.rank_biserial is None else few,
        "standardized": "no_variation" if report.n_pairs else "no_data",
        "standardized_ci": few if report.standardized is not None else "no_variation" if report.n_pairs else "no_data",
        **dict.fromkeys(("non_inferiority", "tost"), "margin_not_specified" if margin is None else few),
    }
    return {name: code for name, code in codes.items() if getattr(report, name) is None}


def _warnings(report: PairedReport, cells: Cells, prompts_fixed: bool, tests: PairedTests) -> list[str]:
    found = list(few_units_warnings(tests, participants=report.n_participants, prompts=report.n_prompts))
    if prompts_fixed:
        found.append("prompts_fixed")
    if report.n_participants > 1 and report.reasons.get("ci") == "no_variation_of_differences":
        found.append("no_variation_of_differences")
    if report.ci and report.headline_p is not None:
        excludes = not report.ci[0] <= 0 <= report.ci[1]
        if excludes != (report.headline_p <= LEVEL):
            found.append("interval_and_test_differ")
    return found


def few_units_warnings(tests: PairedTests, *, participants: int, prompts: int) -> list[str]:
    """Return why the exact tests could not reject at .05: too few units, or too few that are not tied."""
    found = []
    for unit, n, test in (("participants", participants, tests.by_person), ("prompts", prompts, tests.by_prompt)):
        if test is None or test.smallest_p <= LEVEL:
            continue
        always = 2.0 ** (1 - n) > LEVEL
        found.append(f"too_few_{unit}_to_reject_at_05" if always else f"too_many_tied_{unit}_to_reject_at_05")
    return found


def exact_means(groups: IntArray, values: Sequence[Fraction | int]) -> list[Fraction]:
    """Return the exact mean of `values` in each group, in the order of the groups' numbers."""
    scale = lcm(*(value.denominator for value in values))
    sums: defaultdict[int, int] = defaultdict(int)
    for group, value in zip(groups.tolist(), values, strict=True):
        sums[group] += value.numerator * (scale // value.denominator)
    sizes: list[int] = np.bincount(groups).tolist() if len(groups) else []
    return [Fraction(sums[group], scale * size) for group, size in enumerate(sizes)]


def _mean(pairs: Sequence[PairedRating], side: str) -> float | None:
    found = exact_means(np.zeros(len(pairs), dtype=np.int64), [getattr(pair, side) for pair in pairs])
    return float(found[0]) if found else None
