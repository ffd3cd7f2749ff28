"""Reads of what judges say of systems' outputs: for the tables, the pages, and the comparison with people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from operator import or_
from typing import Any

from django.db.models import F, Q, QuerySet

from modelhub.analysis.judged import (
    NO_PERSONA,
    OTHER,
    SAME,
    WITHOUT,
    Comparison,
    JudgedRow,
    Matched,
    comparison_of,
    judged_report,
    outcomes_of,
)
from modelhub.models import Judgement, PairOutput
from modelhub.stats.winrate import Verdict, pair_outcomes

# The paths of the fields of `Matched`, in order.
_MATCHED = (
    "test__pair__dataset", "test__pair__split", "base__system__name", "base__source", "test__system__name",
    "test__source", "judge__name", "rubric",
)  # fmt: skip
_SAME, _GENERIC = Q(base__source=F("test__source")), Q(base__source=NO_PERSONA)
_OF_KIND = {SAME: _SAME, WITHOUT: _GENERIC & ~_SAME, OTHER: ~_GENERIC & ~_SAME}
_EXCLUDED = ~Q(base__excluded_reason="") | ~Q(test__excluded_reason="")


@dataclass(frozen=True)
class JudgedUnit:
    """Two outputs, by their ids, with the outcome by metric: win, tie, loss or invalid."""

    base: int
    test: int
    outcomes: Mapping[str, str]


def judged_results(dataset: str = "", *, only: Sequence[Comparison] = (), seed: int = 0) -> list[dict[str, Any]]:
    """Return the results of all data sets, or of one; see `judged_report`. Outputs that are left out do not count.

    `only` names the comparisons that are wanted; empty for all of them.
    """
    judgements = _judgements(dataset)
    if only:
        judgements = judgements.filter(reduce(or_, map(_within, only)))
    return judged_report(judged_rows(judgements.exclude(_EXCLUDED)), _excluded(judgements), seed=seed)


def judged_comparisons(dataset: str = "") -> list[Comparison]:
    """Return what was compared on any data set, or on one, in the order of `judged_results`."""
    found = _judgements(dataset).order_by().values_list(*_MATCHED).distinct()
    return list(dict.fromkeys(comparison_of(one) for one in sorted(Matched(*names) for names in found)))


def judged_rows(judgements: QuerySet[Judgement]) -> Iterator[JudgedRow]:
    """Yield the verdicts, each with what it is about. A unit is named `base id:test id`."""
    names = [*_MATCHED, "base_id", "test_id", "test__pair_id", "metric", "order", "verdict"]
    for *matched, base, test, pair, metric, order, verdict in judgements.order_by("pk").values_list(*names).iterator():
        yield JudgedRow(Matched(*matched), f"{base}:{test}", pair, metric, order, verdict or None)


def judgements_of(matched: Matched) -> QuerySet[Judgement]:
    """Return what was said in one comparison, without outputs that are left out."""
    values = dict(zip(_MATCHED, vars(matched).values(), strict=True))
    return Judgement.objects.filter(**values).exclude(_EXCLUDED)


def judged_datasets() -> list[str]:
    """Return the data sets whose outputs were judged."""
    found = Judgement.objects.order_by("test__pair__dataset").values_list("test__pair__dataset", flat=True)
    return list(found.distinct())


def _judgements(dataset: str) -> QuerySet[Judgement]:
    return Judgement.objects.filter(test__pair__dataset=dataset) if dataset else Judgement.objects.all()


def _within(one: Comparison) -> Q:
    return _OF_KIND[one.kind] & Q(
        base__system__name=one.base, test__system__name=one.test, test__pair__split=one.split, judge__name=one.judge,
        rubric=one.rubric,
    )  # fmt: skip


def _excluded(judgements: QuerySet[Judgement]) -> dict[Matched, int]:
    """Return how many units were judged and are left out since."""
    left_out = judgements.filter(_EXCLUDED).order_by()
    units = left_out.values_list(*_MATCHED, "base_id", "test_id").distinct()
    counts: dict[Matched, int] = {}
    for *matched, _, _ in units:
        counts[Matched(*matched)] = counts.get(Matched(*matched), 0) + 1
    return counts


def judged_units(matched: Matched, metric: str, outcome: str = "") -> list[JudgedUnit]:
    """Return the pairs of outputs of one comparison that came to this outcome, "" for any, in the order judged."""
    outcomes = outcomes_of(judged_rows(judgements_of(matched)))
    units = {unit: None for found in outcomes.values() for unit in found}
    found = [_unit(unit, {name: _shown(of.get(unit)) for name, of in outcomes.items()}) for unit in units]
    return [unit for unit in found if not outcome or unit.outcomes.get(metric, "") == outcome]


def unit_rows(units: Sequence[JudgedUnit]) -> list[tuple[JudgedUnit, PairOutput]]:
    """Return the units with the test's output, which knows the pair and the persona."""
    outputs = PairOutput.objects.select_related("pair").in_bulk([unit.test for unit in units])
    return [(unit, outputs[unit.test]) for unit in units]


def judgements_between(base: int, test: int) -> list[list[Judgement]]:
    """Return all that judges said of two outputs: by judge, rubric and metric, both orders together."""
    found = Judgement.objects.filter(base=base, test=test).select_related(
        "judge", "generation", "run", "base__system", "base__pair", "test__system", "test__pair"
    )
    ordered = found.order_by("judge__name", "rubric", "metric", "order")
    return [list(group) for _, group in groupby(ordered, key=lambda one: (one.judge_id, one.rubric, one.metric))]


def outcome_of(judgements: Sequence[Judgement]) -> str:
    """Return what the two orders of one judge, rubric and metric come to: win, tie, loss or invalid."""
    outcomes = pair_outcomes(Verdict("", one.metric, one.order, one.verdict or None) for one in judgements)
    return _shown(outcomes[judgements[0].metric][""])


def _unit(name: str, outcomes: Mapping[str, str]) -> JudgedUnit:
    base, test = name.split(":")
    return JudgedUnit(int(base), int(test), outcomes)


def _shown(outcome: str | None) -> str:
    """Return the outcome with both kinds of tie as one; "" where the metric was not judged."""
    return {"tie_order": "tie", "tie_genuine": "tie"}.get(outcome or "", outcome or "")
