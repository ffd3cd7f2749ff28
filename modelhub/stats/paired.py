"""Two systems rated by the same participants on the same items. The participant is the unit.

Differences are test minus base. Rows of one participant are not independent of each other: a test over pairs rejects
a true null far too often, so every headline number is over participants' means.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import scipy

from modelhub.stats.ratings import FloatArray
from modelhub.stats.signflip import SignFlip, sign_flip


@dataclass(frozen=True)
class PairedRating:
    """What one participant gave to the two systems on one item."""

    participant: str
    item: str
    base: Fraction
    test: Fraction

    @property
    def difference(self) -> Fraction:
        return self.test - self.base


def paired_report(pairs: Sequence[PairedRating], *, margin: float | None = None, seed: int = 0) -> dict[str, Any]:
    """Return the paired comparison of two systems on one aspect, with `reasons` for what is None.

    `margin` is the non-inferiority and equivalence margin in points of the scale, fixed before the data were seen.
    """
    means = _means(pairs, "participant")
    differences = np.array([float(value) for value in means.values()])
    report: dict[str, Any] = {
        "n_participants": len(means),
        "n_pairs": len(pairs),
        "n_prompts": len({pair.item for pair in pairs}),
        "mean_base": _mean([pair.base for pair in pairs]),
        "mean_test": _mean([pair.test for pair in pairs]),
        "mean_difference": float(differences.mean()) if len(differences) else None,
        "reasons": {},
        "warnings": [],
    }
    report["ci"] = t_interval(differences)
    _add_tests(report, pairs, list(means.values()), seed)
    _add_effects(report, pairs, list(means.values()))
    _add_margin(report, differences, margin)
    _add_reasons(report, margin)
    if len(differences) > 1 and not np.ptp(differences):
        report["warnings"].append("no_variation_of_differences")
    return report


def t_interval(values: FloatArray, *, confidence: float = 0.95) -> list[float] | None:
    """Return the t-interval of a mean, shape (n,); None for fewer than two values."""
    if len(values) < 2:
        return None
    half = scipy.stats.t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [float(values.mean() - half), float(values.mean() + half)]


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


def quasi_t(pairs: Sequence[PairedRating]) -> dict[str, float] | None:
    """Test the mean difference against participants and prompts at once, both being samples.

    On a complete crossing this is the quasi-F of one mean, with Satterthwaite's degrees of freedom (Clark, 1973). With
    cells missing it is the two-way cluster-robust t with the smaller number of clusters less one as its degrees of
    freedom (Cameron, Gelbach & Miller, 2011). None where there are fewer than two of either, or nothing varies.
    """
    people = {name: index for index, name in enumerate(dict.fromkeys(pair.participant for pair in pairs))}
    items = {name: index for index, name in enumerate(dict.fromkeys(pair.item for pair in pairs))}
    if min(len(people), len(items)) < 2:
        return None
    table = np.full((len(people), len(items)), np.nan)
    for pair in pairs:
        table[people[pair.participant], items[pair.item]] = float(pair.difference)
    variance, df = _crossed_variance(table) if not np.isnan(table).any() else _clustered_variance(table)
    if variance <= 0:
        return None
    t = float(np.nanmean(table)) / variance**0.5
    return {"t": t, "df": df, "p": float(2 * scipy.stats.t.sf(abs(t), df))}


def _crossed_variance(table: FloatArray) -> tuple[float, float]:
    """Return the variance of the grand mean and its degrees of freedom.

    A component that is estimated as negative counts as none (Searle, Casella & McCulloch, 1992, 4.4): with it, the sum
    of mean squares gets too small for Satterthwaite's formula, and the test loses most of its power.
    """
    n, k = table.shape
    grand, rows, columns = table.mean(), table.mean(axis=1), table.mean(axis=0)
    ms_rows = k * float(((rows - grand) ** 2).sum()) / (n - 1)
    ms_columns = n * float(((columns - grand) ** 2).sum()) / (k - 1)
    residual = table - rows[:, None] - columns[None, :] + grand
    ms_error = float((residual**2).sum()) / ((n - 1) * (k - 1))
    if min(ms_rows, ms_columns) <= ms_error:
        return max((ms_rows / (n * k), float(n - 1)), (ms_columns / (n * k), float(k - 1)))
    both = ms_rows + ms_columns - ms_error
    below = ms_rows**2 / (n - 1) + ms_columns**2 / (k - 1) + ms_error**2 / ((n - 1) * (k - 1))
    return both / (n * k), both**2 / below


def _clustered_variance(table: FloatArray) -> tuple[float, float]:
    known = ~np.isnan(table)
    centred = np.where(known, table - np.nanmean(table), 0.0)
    n, k = table.shape
    by_row = float((centred.sum(axis=1) ** 2).sum()) * n / (n - 1)
    by_column = float((centred.sum(axis=0) ** 2).sum()) * k / (k - 1)
    cells = int(known.sum())
    by_cell = float((centred**2).sum()) * cells / (cells - 1)
    return (by_row + by_column - by_cell) / cells**2, float(min(n, k) - 1)


def _add_tests(report: dict[str, Any], pairs: Sequence[PairedRating], means: list[Fraction], seed: int) -> None:
    tested = sign_flip(means, seed=seed)
    report["sign_flip_p"] = tested.p if tested else None
    report["smallest_p"] = tested.smallest_p if tested else None
    report["sign_flip_method"] = tested.method if tested else None
    by_prompt: SignFlip | None = None
    crossed: dict[str, float] | None = None
    if _prompts_are_shared(pairs):
        by_prompt = sign_flip(list(_means(pairs, "item").values()), seed=seed)
        crossed = quasi_t(pairs)
    report["prompt_sign_flip_p"] = by_prompt.p if by_prompt else None
    report["quasi_t_p"] = crossed["p"] if crossed else None
    report["quasi_t"] = crossed
    if by_prompt and by_prompt.smallest_p > 0.05:
        report["warnings"].append("too_few_prompts_to_reject_at_05")
    known = [p for p in (report["sign_flip_p"], report["prompt_sign_flip_p"], report["quasi_t_p"]) if p is not None]
    report["headline_p"] = max(known) if known else None
    report["wilcoxon_p"] = wilcoxon_exact(means)


def _prompts_are_shared(pairs: Sequence[PairedRating]) -> bool:
    return len({pair.item for pair in pairs}) < len(pairs)


def _add_effects(report: dict[str, Any], pairs: Sequence[PairedRating], means: list[Fraction]) -> None:
    signs = [(pair.difference > 0) - (pair.difference < 0) for pair in pairs]
    wins, losses = signs.count(1), signs.count(-1)
    ties = len(signs) - wins - losses
    report["win_tie_loss"] = {"win": wins, "tie": ties, "loss": losses}
    report["p_superiority"] = (wins + ties / 2) / len(pairs) if pairs else None
    report["rank_biserial"] = _rank_biserial([pair.difference for pair in pairs])
    report["cliffs_delta_unpaired"] = _cliffs_delta(pairs)
    report["favouring"] = {
        "test": sum(mean > 0 for mean in means),
        "base": sum(mean < 0 for mean in means),
        "neither": sum(mean == 0 for mean in means),
    }


def _rank_biserial(differences: list[Fraction]) -> float | None:
    """Matched pairs: favourable less unfavourable share of the ranks, zeros left out. Source: Kerby (2014)."""
    moved = [value for value in differences if value]
    if not moved:
        return None
    ranks = scipy.stats.rankdata([abs(value) for value in moved])
    signs = np.array([1 if value > 0 else -1 for value in moved])
    return float((ranks * signs).sum() / ranks.sum())


def _cliffs_delta(pairs: Sequence[PairedRating]) -> float | None:
    if not pairs:
        return None
    test = np.array([float(pair.test) for pair in pairs])
    base = np.sort([float(pair.base) for pair in pairs])
    above = np.searchsorted(base, test, side="left").sum()
    below = (len(base) - np.searchsorted(base, test, side="right")).sum()
    return float((above - below) / len(pairs) ** 2)


def _add_margin(report: dict[str, Any], differences: FloatArray, margin: float | None) -> None:
    report["non_inferiority"] = report["tost"] = None
    if margin is None or len(differences) < 2:
        return
    if not np.ptp(differences):
        return  # without any spread there is no standard error to test with
    low, high = t_interval(differences, confidence=0.90) or [0.0, 0.0]
    report["non_inferiority"] = {"margin": margin, "lower_bound": low, "non_inferior": low > -margin}
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    df = len(differences) - 1
    report["tost"] = {
        "margin": margin,
        "ci_90": [low, high],
        "p": _tost_p(float(differences.mean()), float(error), df, margin),
        "equivalent": -margin < low and high < margin,
    }


def _tost_p(mean: float, error: float, df: int, margin: float) -> float:
    return float(max(scipy.stats.t.sf((mean + margin) / error, df), scipy.stats.t.cdf((mean - margin) / error, df)))


def _add_reasons(report: dict[str, Any], margin: float | None) -> None:
    reasons = report["reasons"]
    few = "no_data" if not report["n_participants"] else "single_participant"
    untested = "margin_not_specified" if margin is None else "no_variation_of_differences"
    if report["n_participants"] < 2:
        untested = few
    codes = {
        "mean_difference": "no_data",
        "mean_base": "no_data",
        "mean_test": "no_data",
        "ci": few,
        "sign_flip_p": "no_data",
        "smallest_p": "no_data",
        "prompt_sign_flip_p": "no_shared_prompts",
        "quasi_t_p": _why_not_crossed(report),
        "p_superiority": "no_data",
        "rank_biserial": "no_difference" if report["n_pairs"] else "no_data",
        "wilcoxon_p": "no_difference" if report["n_pairs"] else "no_data",
        "non_inferiority": untested,
        "tost": untested,
    }
    reasons.update({name: code for name, code in codes.items() if report[name] is None})
    if report["smallest_p"] is not None and report["smallest_p"] > 0.05:
        report["warnings"].append("too_few_participants_to_reject_at_05")


def _why_not_crossed(report: dict[str, Any]) -> str:
    if report["prompt_sign_flip_p"] is None:
        return "no_shared_prompts"
    if report["n_prompts"] < 2:
        return "single_prompt"
    return "single_participant" if report["n_participants"] < 2 else "no_variation_of_differences"


def _means(pairs: Sequence[PairedRating], by: str) -> dict[str, Fraction]:
    groups: defaultdict[str, list[Fraction]] = defaultdict(list)
    for pair in pairs:
        groups[getattr(pair, by)].append(pair.difference)
    return {name: sum(values, Fraction(0)) / len(values) for name, values in groups.items()}


def _mean(values: list[Fraction]) -> float | None:
    return float(sum(values, Fraction(0)) / len(values)) if values else None
