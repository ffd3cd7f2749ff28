"""Reads for the pages of systems and of what they answered, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from annotation.models import User
from annotation.permissions import visible_studies
from modelhub.models import (
    ArmBinding,
    Generation,
    InferredPersona,
    Judgement,
    PairOutput,
    PersonaCheck,
    PersonaComparison,
    PersonaSource,
    PreferencePair,
    System,
)
from modelhub.screening.flags import Flag
from modelhub.screening.scan import text_flags

SYSTEMS_PER_PAGE = 25
PAIRS_PER_PAGE = 5
MOST_SIDE_BY_SIDE = 4
LEFT_OUT, KEPT = "left_out", "kept"


@dataclass(frozen=True)
class OutputSearch:
    """Whose outputs to show side by side, and of which pairs; an empty `q` or `shown` does not restrict."""

    dataset: str
    split: str
    source: str
    systems: Sequence[str]
    q: str = ""
    shown: str = ""


@dataclass(frozen=True)
class ShownOutput:
    """What one system answered, None where it answered nothing, with what a scan of the text says."""

    system: str
    output: PairOutput | None
    flags: Sequence[Flag] = ()

    @property
    def words(self) -> int:
        return len(self.output.text.split()) if self.output else 0


@dataclass(frozen=True)
class SideBySide:
    """The answers of all systems to one pair and persona."""

    pair: PreferencePair
    persona: str
    outputs: Sequence[ShownOutput]


@dataclass(frozen=True)
class OutputCount:
    """How many outputs a system made for a split with personas of one source, and how many of them are left out."""

    dataset: str
    split: str
    source: str
    count: int
    left_out: int

    @property
    def label(self) -> str:
        return PersonaSource(self.source).label


def found_systems(page: str | None) -> "Page[Any]":
    """Return a page of the systems, each with `outputs_made`, `personas_made` and its `verdicts_made` on either."""
    systems = System.objects.annotate(
        outputs_made=_count(PairOutput.objects.all(), "system"),
        personas_made=_count(InferredPersona.objects.all(), "system"),
        verdicts_made=_count(Judgement.objects.all(), "judge")
        + _count(PersonaCheck.objects.all(), "judge")
        + _count(PersonaComparison.objects.all(), "judge"),
    )
    return Paginator(systems.order_by("name"), SYSTEMS_PER_PAGE).get_page(page)


def _count(rows: QuerySet[Any], field: str) -> Coalesce:
    # As subqueries: joined to each other, these tables would multiply.
    counted = rows.order_by().filter(**{field: OuterRef("pk")}).values(field).annotate(count=Count("pk"))
    return Coalesce(Subquery(counted.values("count")), 0)


def bindings_of(system: System, user: User) -> list[ArmBinding]:
    """Return the arms that the system stands behind, of studies that the user may see."""
    bindings = ArmBinding.objects.filter(system=system, arm__study__in=visible_studies(user))
    return list(
        bindings.select_related("arm__study").order_by("arm__study__slug", "arm__study__version", "arm__ordinal")
    )


def output_counts(system: System) -> list[OutputCount]:
    """Return what the system answered to stored pairs, by split and source of personas."""
    fields = ("pair__dataset", "pair__split", "source")
    rows = PairOutput.objects.filter(system=system).order_by(*fields).values_list(*fields)
    marked = rows.exclude(excluded_reason="").annotate(count=Count("pk")).values_list(*fields, "count")
    left_out = {(dataset, split, source): count for dataset, split, source, count in marked}
    counted = rows.annotate(count=Count("pk")).values_list(*fields, "count")
    return [
        OutputCount(dataset, split, source, count, left_out.get((dataset, split, source), 0))
        for dataset, split, source, count in counted
    ]


def counts_of(system: System) -> dict[str, int]:
    """Return `personas` it inferred, its `verdicts_on_personas` and `verdicts_on_outputs`, and its `generations`."""
    checks, compared = PersonaCheck.objects.filter(judge=system), PersonaComparison.objects.filter(judge=system)
    return {
        "personas": InferredPersona.objects.filter(system=system).count(),
        "verdicts_on_personas": checks.count() + compared.count(),
        "verdicts_on_outputs": Judgement.objects.filter(judge=system).count(),
        "generations": Generation.objects.filter(system=system).count(),
    }


def output_groups() -> list[tuple[str, str, str, str]]:
    """Return (data set, split, source, system) of all that was answered to stored pairs, in that order."""
    fields = ("pair__dataset", "pair__split", "source", "system__name")
    return list(PairOutput.objects.order_by(*fields).values_list(*fields).distinct())


def found_outputs(search: OutputSearch, page: str | None) -> "Page[PreferencePair]":
    """Return a page of the pairs that any of the systems has answered and that match, in the order of their rows."""
    outputs = _outputs(search).filter(pair=OuterRef("pk"))
    pairs = PreferencePair.objects.filter(Exists(outputs), dataset=search.dataset, split=search.split)
    if search.q:
        pairs = pairs.filter(prompt__icontains=search.q)
    if search.shown == LEFT_OUT:
        pairs = pairs.filter(Exists(outputs.exclude(excluded_reason="")))
    elif search.shown == KEPT:
        pairs = pairs.exclude(Exists(outputs.exclude(excluded_reason="")))
    return Paginator(pairs.order_by("row", "pk"), PAIRS_PER_PAGE).get_page(page)


def side_by_side(pairs: Sequence[PreferencePair], search: OutputSearch) -> list[SideBySide]:
    """Return the pairs' outputs, once for each persona, with those of the systems next to each other."""
    found: dict[tuple[int, str], dict[str, PairOutput]] = {}
    for output in _outputs(search).filter(pair__in=pairs).select_related("system", "generation", "run").order_by("pk"):
        found.setdefault((output.pair_id, output.persona_key), {})[output.system.name] = output
    return [
        SideBySide(
            pair, next(iter(outputs.values())).persona, [_shown(name, outputs.get(name)) for name in search.systems]
        )
        for pair in pairs
        for (pair_id, _), outputs in found.items()
        if pair_id == pair.pk
    ]


def _outputs(search: OutputSearch) -> QuerySet[PairOutput]:
    return PairOutput.objects.filter(
        system__name__in=search.systems, source=search.source, pair__dataset=search.dataset, pair__split=search.split
    )


def _shown(system: str, output: PairOutput | None) -> ShownOutput:
    if output is None:
        return ShownOutput(system, None)
    finish_reason = output.generation.finish_reason if output.generation else "unknown"
    return ShownOutput(system, output, text_flags(output.text, finish_reason=finish_reason))
