"""The agreement report: every measure with its interval, why one is undefined, and what to be careful about."""

from dataclasses import dataclass

import numpy as np

from modelhub.results.agreement import AgreementReport, MeasureInterval, RaterLine
from modelhub.stats.alpha import krippendorff_alpha, patterns_of
from modelhub.stats.bootstrap import REPLICATES, alpha_interval
from modelhub.stats.chance import ItemSums, brennan_prediger, conger_kappa, fleiss_kappa, gwet_ac, percent_agreement
from modelhub.stats.distance import agreement_weights
from modelhub.stats.icc import icc
from modelhub.stats.iteminterval import (
    LeftOut,
    coefficient_interval,
    corrected_share_interval,
    none_because,
    share_interval,
)
from modelhub.stats.raters import pairwise_kappa, rater_diagnostics
from modelhub.stats.ratings import FloatArray, Level, Ratings

REVERSED = "negative_alpha_look_for_reversed_scale"


@dataclass(frozen=True)
class _Measure:
    """A number and its interval, or the code of why there is no number."""

    value: float | None
    interval: MeasureInterval
    reason: str | None = None

    @classmethod
    def none(cls, reason: str) -> "_Measure":
        return cls(None, none_because(reason), reason)


def agreement_report(
    ratings: Ratings, *, seed: int = 0, replicates: int = REPLICATES, domain_inferred: bool = False
) -> AgreementReport:
    """Return every agreement measure of one table, with `reasons` for what is None and `warnings`.

    The chance-corrected coefficients use identity weights for nominal values and quadratic ones otherwise. Intervals
    are over items, with the raters as they are; only that of alpha is a bootstrap, of `replicates` samples.
    """
    overall = why_no_agreement(ratings)
    measures = {
        **_shares(ratings, overall),
        "krippendorff_alpha": _alpha(ratings, overall, seed, replicates),
        **_corrected(ratings, overall),
        **_intraclass(ratings, overall),
    }
    alpha = measures["krippendorff_alpha"]
    pairs = pairwise_kappa(ratings)
    lines = rater_diagnostics(ratings, alpha.value)
    reasons = {name: measure.reason for name, measure in measures.items() if measure.reason}
    if not pairs:
        reasons["pairwise_kappa"] = overall or "too_many_raters"
    if alpha.interval.reason:
        reasons |= dict.fromkeys(("alpha_ci", "alpha_ci_method"), alpha.interval.reason)
    return AgreementReport.model_validate(
        {
            **_shape(ratings),
            **{name: measure.value for name, measure in measures.items()},
            "alpha_ci": alpha.interval.ci,
            "alpha_ci_method": alpha.interval.method,
            "intervals": {name: measure.interval for name, measure in measures.items()},
            "pairwise_kappa": pairs,
            "rater_diagnostics": lines,
            "reasons": reasons,
            "warnings": [
                *(["domain_inferred"] if domain_inferred else []),
                *alpha.interval.warnings,
                *_warnings(ratings, alpha, lines),
            ],
        }
    )


def why_no_agreement(ratings: Ratings) -> str | None:
    """Return the code for why agreement cannot be estimated from this table at all, or None if it can."""
    if not len(ratings.code):
        return "no_data"
    if len(np.unique(ratings.rater)) == 1:
        return "single_rater"
    pairable = ratings.counts[ratings.counts.sum(axis=1) >= 2]
    if not len(pairable):
        return "no_overlap"
    return "no_variation" if np.count_nonzero(pairable.sum(axis=0)) == 1 else None


def _shape(ratings: Ratings) -> dict[str, object]:
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


def _shares(ratings: Ratings, overall: str | None) -> dict[str, _Measure]:
    equal = _share(ratings, np.eye(len(ratings.domain)), overall)
    if ratings.level == Level.NOMINAL:
        return {"percent_agreement": equal, "percent_within_1": _Measure.none(overall or "not_ordered")}
    near = np.abs(ratings.numbers[:, None] - ratings.numbers[None, :]) <= 1
    return {"percent_agreement": equal, "percent_within_1": _share(ratings, near.astype(float), overall)}


def _share(ratings: Ratings, weights: FloatArray, overall: str | None) -> _Measure:
    table = ItemSums.of(ratings.counts, weights)
    value = percent_agreement(table)
    if value is None:
        return _Measure.none(overall or "no_overlap")
    return _Measure(value, share_interval(*table.agreement))


def _alpha(ratings: Ratings, overall: str | None, seed: int, replicates: int) -> _Measure:
    value = krippendorff_alpha(ratings)
    if value is None:
        return _Measure.none(overall or "no_variation")
    return _Measure(value, alpha_interval(patterns_of(ratings), value, seed=seed, replicates=replicates))


def _corrected(ratings: Ratings, overall: str | None) -> dict[str, _Measure]:
    weights = agreement_weights(ratings.level, ratings.numbers)
    table = ItemSums.of(ratings.counts, weights)
    nominal = ratings.level == Level.NOMINAL
    gwet = _coefficient(ratings, gwet_ac(table), overall)
    fleiss = _coefficient(ratings, fleiss_kappa(table), overall) if _is_complete(ratings) else None
    uniform = brennan_prediger(table)
    return {
        "gwet_ac1": gwet if nominal else _Measure.none(overall or "ordered"),
        "gwet_ac2": _Measure.none(overall or "not_ordered") if nominal else gwet,
        "fleiss_kappa": fleiss or _Measure.none(overall or "incomplete"),
        "conger_kappa": _coefficient(ratings, conger_kappa(ratings, weights), overall),
        "brennan_prediger": _Measure.none(overall or "no_variation")
        if uniform.value is None
        else _Measure(uniform.value, corrected_share_interval(share_interval(*table.agreement), float(weights.mean()))),
    }


def _intraclass(ratings: Ratings, overall: str | None) -> dict[str, _Measure]:
    kinds = {"icc_a1": "ICC(2,1)", "icc_c1": "ICC(3,1)"}
    items, raters = _rated(ratings)
    reason = overall if overall != "no_variation" else None
    if ratings.level == Level.NOMINAL:
        reason = reason or "not_ordered"
    elif items < 2:
        reason = reason or "single_item"
    elif len(ratings.code) != items * raters:  # found without the matrix, which is large where this is so
        reason = reason or "incomplete"
    if reason:
        return dict.fromkeys(kinds, _Measure.none(reason))
    matrix = ratings.matrix[ratings.counts.sum(axis=1) > 0][:, np.unique(ratings.rater)]
    chance = _chance_of_equal_rows(ratings)
    found = {name: icc(matrix, kind) for name, kind in kinds.items()}
    return {
        name: _coefficient(ratings, LeftOut(one.value, one.without, one.sizes, chance), overall)
        for name, one in found.items()
    }


def _chance_of_equal_rows(ratings: Ratings) -> float | None:
    """Return the agreement by chance, in squares of differences, where all raters agree on every item; else None.

    An intraclass correlation can be 1 while raters differ by a constant; there, nothing says how far from 1 it may be.
    """
    if np.count_nonzero(ratings.counts, axis=1).max() > 1:
        return None
    return fleiss_kappa(ItemSums.of(ratings.counts, agreement_weights(ratings.level, ratings.numbers))).chance


def _coefficient(ratings: Ratings, found: LeftOut, overall: str | None) -> _Measure:
    if found.value is None:
        return _Measure.none(overall or "no_variation")
    pairable = ratings.counts[ratings.counts.sum(axis=1) >= 2]
    most = pairable.sum(axis=0).argmax()
    varying = int((pairable[:, most] < pairable.sum(axis=1)).sum())
    return _Measure(found.value, coefficient_interval(found, items=len(pairable), varying=varying))


def _is_complete(ratings: Ratings) -> bool:
    per_item = ratings.counts.sum(axis=1)
    rated = per_item[per_item > 0]
    return len(rated) > 0 and bool((rated == rated[0]).all()) and rated[0] >= 2


def _rated(ratings: Ratings) -> tuple[int, int]:
    return int((ratings.counts.sum(axis=1) > 0).sum()), len(np.unique(ratings.rater))


def _warnings(ratings: Ratings, alpha: _Measure, lines: list[RaterLine]) -> list[str]:
    pairable = ratings.counts[ratings.counts.sum(axis=1) >= 2].sum(axis=0)
    used = pairable[pairable > 0]
    found = ["single_deviation"] if len(used) == 2 and used.min() == 1 else []
    return [*found, REVERSED] if _looks_reversed(alpha, lines) else found


def _looks_reversed(alpha: _Measure, lines: list[RaterLine]) -> bool:
    """Whether alpha is below 0 with its whole interval, and somebody's ratings run against the others'.

    A bias makes alpha negative too, but leaves the order of ratings as it is. Of three raters or more, the others have
    to agree more than by chance without the one who is against them. Categories have no order, and no correlation.
    """
    if alpha.interval.ci is None or alpha.interval.ci[1] >= 0:
        return False
    return any(
        line.correlation is not None and line.correlation < 0 and (len(lines) == 2 or (line.alpha_without or 0) > 0)
        for line in lines
    )
