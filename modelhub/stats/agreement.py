"""The agreement report: every measure, why one is undefined, and what to be careful about."""

from typing import Any

import numpy as np

from modelhub.stats.alpha import krippendorff_alpha, patterns_of
from modelhub.stats.bootstrap import REPLICATES, Interval, alpha_interval
from modelhub.stats.chance import brennan_prediger, conger_kappa, fleiss_kappa, gwet_ac, percent_agreement
from modelhub.stats.distance import agreement_weights
from modelhub.stats.icc import icc
from modelhub.stats.raters import pairwise_kappa, rater_diagnostics
from modelhub.stats.ratings import Level, Ratings

FEWEST_FOR_INTERVAL = 10
FEWEST_FOR_GOOD_COVERAGE = 40
MOST_UNDEFINED = 0.05


def agreement_report(
    ratings: Ratings, *, seed: int = 0, replicates: int = REPLICATES, domain_inferred: bool = False
) -> dict[str, Any]:
    """Return every agreement measure of one table, with `reasons` for what is None and `warnings`.

    The chance-corrected coefficients use identity weights for nominal values and quadratic ones otherwise.
    """
    report: dict[str, Any] = {**_shape(ratings), "reasons": {}, "warnings": []}
    if domain_inferred:
        report["warnings"].append("domain_inferred")
    weights = agreement_weights(ratings.level, ratings.numbers)
    report["percent_agreement"] = percent_agreement(ratings.counts, np.eye(len(ratings.domain)))
    report["percent_within_1"] = _within_one(ratings)
    report["krippendorff_alpha"] = krippendorff_alpha(ratings)
    report["gwet_ac1" if ratings.level == Level.NOMINAL else "gwet_ac2"] = gwet_ac(ratings.counts, weights)
    report["fleiss_kappa"] = fleiss_kappa(ratings.counts, weights) if _is_complete(ratings) else None
    report["conger_kappa"] = conger_kappa(ratings, weights)
    report["brennan_prediger"] = brennan_prediger(ratings.counts, weights)
    _add_icc(report, ratings)
    report["pairwise_kappa"] = pairwise_kappa(ratings)
    report["rater_diagnostics"] = rater_diagnostics(ratings, report["krippendorff_alpha"])
    _add_reasons(report, ratings)
    _add_interval(report, ratings, seed, replicates)
    _add_warnings(report, ratings)
    return report


def why_no_agreement(ratings: Ratings) -> str | None:
    """Return the code for why agreement cannot be estimated from this table at all, or None if it can."""
    if not len(ratings.code):
        return "no_data"
    if len(np.unique(ratings.rater)) == 1:
        return "single_rater"
    pairable = ratings.counts[ratings.counts.sum(axis=1) >= 2]
    if not len(pairable):
        return "no_overlap"
    if np.count_nonzero(pairable.sum(axis=0)) == 1:
        return "no_variation"
    return None


def _shape(ratings: Ratings) -> dict[str, Any]:
    per_item = ratings.counts.sum(axis=1)
    return {
        "level": str(ratings.level),
        "domain": list(ratings.domain),
        "items": int((per_item > 0).sum()),
        "raters": len(np.unique(ratings.rater)),
        "ratings": len(ratings.code),
        "pairable_items": int((per_item >= 2).sum()),
        "overlap_histogram": {int(n): int(c) for n, c in zip(*np.unique(per_item, return_counts=True), strict=True)},
        "distribution": dict(zip(map(str, ratings.domain), ratings.counts.sum(axis=0).tolist(), strict=True)),
    }


def _is_complete(ratings: Ratings) -> bool:
    per_item = ratings.counts.sum(axis=1)
    rated = per_item[per_item > 0]
    return len(rated) > 0 and bool((rated == rated[0]).all()) and rated[0] >= 2


def _within_one(ratings: Ratings) -> float | None:
    if ratings.level == Level.NOMINAL:
        return None
    near = np.abs(ratings.numbers[:, None] - ratings.numbers[None, :]) <= 1
    return percent_agreement(ratings.counts, near.astype(float))


def _add_icc(report: dict[str, Any], ratings: Ratings) -> None:
    report["icc_a1"] = report["icc_c1"] = None
    if ratings.level == Level.NOMINAL or min(_shape_rated(ratings)) < 2 or not _is_crossed(ratings):
        return
    rated = ratings.matrix[ratings.counts.sum(axis=1) > 0][:, np.unique(ratings.rater)]
    report["icc_a1"], report["icc_c1"] = icc(rated, "ICC(2,1)"), icc(rated, "ICC(3,1)")


def _shape_rated(ratings: Ratings) -> tuple[int, int]:
    return int((ratings.counts.sum(axis=1) > 0).sum()), len(np.unique(ratings.rater))


def _is_crossed(ratings: Ratings) -> bool:
    """Whether every rater rated every item; found without the matrix, which is large where this is not so."""
    items, raters = _shape_rated(ratings)
    return len(ratings.code) == items * raters


def _add_reasons(report: dict[str, Any], ratings: Ratings) -> None:
    overall = why_no_agreement(ratings)
    measures = [
        "percent_agreement", "percent_within_1", "krippendorff_alpha", "gwet_ac1", "gwet_ac2", "fleiss_kappa",
        "conger_kappa", "brennan_prediger", "icc_a1", "icc_c1",
    ]  # fmt: skip
    for name in measures:
        if name not in report or report[name] is not None:
            continue
        report["reasons"][name] = overall or _own_reason(name, ratings)
    if not report["pairwise_kappa"]:
        report["reasons"]["pairwise_kappa"] = overall or "too_many_raters"


def _own_reason(name: str, ratings: Ratings) -> str:
    if ratings.level == Level.NOMINAL and name in ("percent_within_1", "icc_a1", "icc_c1"):
        return "not_ordered"
    if name == "fleiss_kappa" and not _is_complete(ratings):
        return "incomplete"
    if name.startswith("icc"):
        single = _shape_rated(ratings)[0] < 2
        return "single_item" if single else "incomplete" if not _is_crossed(ratings) else "no_variation"
    return "no_variation"


def _add_interval(report: dict[str, Any], ratings: Ratings, seed: int, replicates: int) -> None:
    report["alpha_ci"] = None
    reason = _no_interval_because(report)
    found: Interval | None = None
    if reason is None:
        patterns = patterns_of(ratings)
        found = alpha_interval(patterns, report["krippendorff_alpha"], seed=seed, replicates=replicates)
        reason = "bootstrap_undefined" if found is None else None
    if found is None:
        report["reasons"]["alpha_ci"] = reason
        return
    report["alpha_ci"] = [found.low, found.high]
    report["alpha_ci_method"] = f"{found.method}, {replicates} replicates, item sampling only, raters fixed"
    if found.undefined_share > MOST_UNDEFINED:
        report["warnings"].append("ci_unreliable")
    if report["pairable_items"] < FEWEST_FOR_GOOD_COVERAGE:
        report["warnings"].append("ci_undercovers")


def _no_interval_because(report: dict[str, Any]) -> str | None:
    if report["krippendorff_alpha"] is None:
        return str(report["reasons"]["krippendorff_alpha"])
    if report["pairable_items"] == 1:
        return "single_item"
    return "few_items" if report["pairable_items"] < FEWEST_FOR_INTERVAL else None


def _add_warnings(report: dict[str, Any], ratings: Ratings) -> None:
    pairable = ratings.counts[ratings.counts.sum(axis=1) >= 2].sum(axis=0)
    used = pairable[pairable > 0]
    if len(used) == 2 and used.min() == 1:
        report["warnings"].append("single_deviation")
    alpha = report["krippendorff_alpha"]
    if alpha is not None and alpha < 0:
        report["warnings"].append("negative_alpha_look_for_reversed_scale")
