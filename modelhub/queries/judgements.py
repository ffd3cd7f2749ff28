"""Reads of what judges say of systems' outputs: for the tables, the pages, and the comparison with people."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import reduce
from itertools import groupby
from operator import or_
from typing import Any

from django.db.models import F, Q, QuerySet

from modelhub.models import Judgement, PairOutput
from modelhub.pipeline_results.judged import (
    NO_PERSONA,
    OTHER,
    SAME,
    WITHOUT,
    Comparison,
    JudgedRates,
    JudgedRow,
    Matched,
    comparison_of,
    judged_report,
    outcomes_of,
)
from modelhub.queries.inferrers import InferredBy, Inferrers, attributed, unambiguous
from modelhub.stats.winrate import Verdict, pair_outcomes

# The paths of the fields of `Matched`, in order, but for who inferred the personas; see inferrers.py.
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


def judged_results(dataset: str = "", *, only: Sequence[Comparison] = ()) -> list[JudgedRates]:
    """Return the results of all data sets, or of one; see `judged_report`. Outputs that are left out do not count.

    `only` names the comparisons that are wanted; empty for all of them.
    """
    judgements = _judgements(dataset)
    if only:
        judgements = judgements.filter(reduce(or_, map(_within, only)))
    units = _units(judgements)
    excluded = Counter(
        row for of_place in units.values() for unit in of_place.values() if unit.excluded for row in unit.rows
    )
    return judged_report(_judged_rows(judgements, units), excluded)


def judged_comparisons(dataset: str = "") -> list[Comparison]:
    """Return what was compared on any data set, or on one, in the order of `judged_results`."""
    found = _judgements(dataset).order_by().values_list(*_MATCHED).distinct()
    return list(dict.fromkeys(comparison_of(one) for one in sorted(Matched(*names) for names in found)))


def _judged_rows(
    judgements: QuerySet[Judgement], units: Mapping[Matched, Mapping[str, "_OutputPair"]]
) -> Iterator[JudgedRow]:
    """Yield the verdicts on outputs that count, once for each row of the results that they belong to."""
    names = [*_MATCHED, "base_id", "test_id", "test__pair_id", "metric", "order", "verdict"]
    made = judgements.exclude(_EXCLUDED).order_by("pk").values_list(*names)
    for *matched, base, test, pair, metric, order, verdict in made.iterator():
        unit = f"{base}:{test}"
        for row in units[Matched(*matched)][unit].rows:
            yield JudgedRow(row, unit, pair, metric, order, verdict or None)


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


@dataclass(frozen=True)
class _Output:
    """An output without its text."""

    pk: int
    pair: int
    persona: str
    excluded: bool
    made_for: list[InferredBy]


@dataclass(frozen=True)
class _OutputPair:
    """Two outputs that were judged or would have been: the rows they belong to, and whether they are left out."""

    rows: tuple[Matched, ...]
    excluded: bool


def _units(judgements: QuerySet[Judgement]) -> dict[Matched, dict[str, _OutputPair]]:
    """Return by what was compared, as yet without who inferred the personas, its units by `base id:test id`.

    Besides those that were judged, these are the pairs that a judge was never shown since an output is excluded.
    """
    judged: defaultdict[Matched, set[tuple[int, int]]] = defaultdict(set)
    for *matched, base, test in judgements.order_by().values_list(*_MATCHED, "base_id", "test_id").distinct():
        judged[Matched(*matched)].add((base, test))
    datasets = {place.dataset for place in judged}
    sides, inferrers = _sides(datasets), Inferrers(datasets)
    return {place: _units_of(place, seen, sides, inferrers) for place, seen in judged.items()}


def _sides(datasets: Collection[str]) -> dict[tuple[str, ...], list[_Output]]:
    """Return the outputs of data sets by data set, split, system and source."""
    names = (
        "pair__dataset", "pair__split", "system__name", "source", "pk", "pair_id", "persona", "excluded_reason",
        "inferred_personas__pair", "inferred_personas__system__name",
    )  # fmt: skip
    found: defaultdict[tuple[str, ...], list[_Output]] = defaultdict(list)
    outputs = PairOutput.objects.filter(pair__dataset__in=datasets).order_by("pk").values_list(*names)
    for (*side, pk, pair, persona, reason), links in _joined(outputs.iterator()):
        found[tuple(side)].append(_Output(pk, pair, persona, bool(reason), links))
    return found


def _joined(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[tuple[Any, ...], list[InferredBy]]]:
    """Yield each output once, with all personas that it was made for: rows have one of them, or none, at their end."""
    for output, group in groupby(rows, key=lambda row: row[:-2]):
        yield output, [(explained, name) for *_, explained, name in group if name is not None]


def _units_of(
    place: Matched, judged: Collection[tuple[int, int]], sides: Mapping[tuple[str, ...], Sequence[_Output]],
    inferrers: Inferrers,
) -> dict[str, _OutputPair]:  # fmt: skip
    compared = {
        (base.pk, test.pk): (base, test, _inferred_by(place, base, test, inferrers))
        for base, test in _pairs_of(place, sides)
    }
    known = unambiguous(compared[unit][2] for unit in judged)
    named = {unit: attributed(by, known) for unit, (_, _, by) in compared.items()}
    there = {name for unit in judged for name in named[unit]}
    found = {}
    for unit, (base, test, by) in compared.items():
        excluded, names = base.excluded or test.excluded, [name for name in named[unit] if name in there]
        if names and (unit in judged or (excluded and _compares(place, base, test, by))):
            rows = tuple(replace(place, inferred_by=name) for name in names)
            found[f"{base.pk}:{test.pk}"] = _OutputPair(rows, excluded)
    return found


def _pairs_of(place: Matched, sides: Mapping[tuple[str, ...], Sequence[_Output]]) -> Iterator[tuple[_Output, _Output]]:
    """Yield every output of the base with every one of the test for the same pair."""
    bases: defaultdict[int, list[_Output]] = defaultdict(list)
    for base in sides[place.dataset, place.split, place.base, place.base_source]:
        bases[base.pair].append(base)
    for test in sides[place.dataset, place.split, place.test, place.source]:
        for base in bases[test.pair]:
            yield base, test


def _inferred_by(place: Matched, base: _Output, test: _Output, inferrers: Inferrers) -> frozenset[str] | None:
    """Return who inferred the personas of both outputs; None if neither is an inferred one."""
    of_base = inferrers.of(place.base_source, base.pair, base.persona, base.made_for)
    of_test = inferrers.of(place.source, test.pair, test.persona, test.made_for)
    if of_base is None or of_test is None:
        return of_base if of_test is None else of_test
    return of_base & of_test


def _compares(place: Matched, base: _Output, test: _Output, by: frozenset[str] | None) -> bool:
    """Return whether a judge would be shown them: personas of one source are the same, other ones of one system."""
    return base.persona == test.persona if place.base_source == place.source else by != frozenset()


def judged_units(matched: Matched) -> list[JudgedUnit]:
    """Return the pairs of outputs of one row of the results, without those that are left out, in the order judged."""
    values = dict(zip(_MATCHED, astuple(matched)[: len(_MATCHED)], strict=True))
    judgements = Judgement.objects.filter(**values)
    rows = [row for row in _judged_rows(judgements, _units(judgements)) if row.matched == matched]
    outcomes = outcomes_of(rows)
    units = {unit: None for found in outcomes.values() for unit in found}
    return [_unit(unit, {name: _shown(of.get(unit)) for name, of in outcomes.items()}) for unit in units]


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
