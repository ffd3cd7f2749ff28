"""What a study shows people, for researchers to look through: its items, and the outputs of each persona side by side.

Blinded: arms are codes, in the order of the codes, which are random. Nothing is told of outputs before all of a persona
are there, as in exports: what one arm does sooner, later or not at all would tell it from another.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from annotation.export.querysets import count_by, personas_of
from annotation.export.scope import Scope
from annotation.models import Assignment, Item, Output, Persona, Study
from annotation.prompts_display import split_turns
from annotation.queries import ItemProgress, with_item_progress

ITEMS_PER_PAGE = 25
PERSONAS_PER_PAGE = 8
PLANTED = "planted"


@dataclass(frozen=True)
class ItemRow:
    """An item with the personas that are given with it."""

    item: Item
    progress: ItemProgress
    personas: tuple[Persona, ...]


@dataclass(frozen=True)
class Shown:
    """One output: the code of its arm, or that it was planted, and its text."""

    title: str
    planted: str
    text: str


@dataclass(frozen=True)
class PersonaShown:
    """A persona with all of its outputs; `state` is that of the output that is least far."""

    persona: Persona
    turns: tuple[tuple[str, str], ...]
    shown: tuple[Shown, ...]
    state: str
    excluded_reason: str
    rated: int


def strata_of(study: Study) -> list[str]:
    """Return the names of the study's strata."""
    names = study.items.filter(planted_part__isnull=True).order_by().values_list("stratum", flat=True).distinct()
    return sorted(name for name in names if name)


def found_items(scope: Scope, *, text: str, stratum: str, page: str | None) -> tuple[Page[Any], list[ItemRow]]:
    """Return one page of the items that hold a text in id, prompt or given persona."""
    items = with_item_progress(scope)
    if stratum:
        items = items.filter(stratum=stratum)
    if text := text.strip():
        given = Persona.objects.filter(item=OuterRef("pk"), source=Persona.Source.GIVEN, text__icontains=text)
        items = items.filter(Q(key__icontains=text) | Q(prompt__icontains=text) | Exists(given))
    current = Paginator(items.order_by("ordinal"), ITEMS_PER_PAGE).get_page(page)
    personas: defaultdict[int, list[Persona]] = defaultdict(list)
    for persona in Persona.objects.filter(item__in=[item.pk for item in current], source=Persona.Source.GIVEN):
        personas[persona.item_id].append(persona)
    return current, [ItemRow(item, ItemProgress.of(item, scope.study), tuple(personas[item.pk])) for item in current]


def found_personas(scope: Scope, *, text: str, source: str, page: str | None) -> tuple[Page[Any], list[PersonaShown]]:
    """Return one page of the personas that hold a text in their item's id, its prompt, or their own."""
    personas = personas_of(scope).select_related("item", "author")
    if source == PLANTED:
        personas = personas.filter(item__planted_part__isnull=False)
    elif source in Persona.Source.values:
        personas = personas.filter(source=source, item__planted_part__isnull=True)
    if text := text.strip():
        found = Q(item__key__icontains=text) | Q(item__prompt__icontains=text) | Q(text__icontains=text)
        personas = personas.filter(found)
    current = Paginator(personas.order_by("item__ordinal", "key"), PERSONAS_PER_PAGE).get_page(page)
    return current, _persona_rows(scope, [persona.pk for persona in current])


def _persona_rows(scope: Scope, listed: list[int]) -> list[PersonaShown]:
    rated = Assignment.objects.filter(
        persona=OuterRef("pk"), participant__kind__in=scope.kinds, state=Assignment.State.COMPLETED
    )
    outputs = Output.objects.select_related("arm").order_by("planted", "arm__code", "sample")
    personas: QuerySet[Any] = Persona.objects.filter(pk__in=listed).select_related("item", "author")
    rows = personas.annotate(rated=count_by(rated, "persona")).prefetch_related(Prefetch("outputs", outputs))
    return [_persona_row(scope, persona) for persona in rows.order_by("item__ordinal", "key")]


# The state of all outputs of a persona is that of the one that is least far.
_LEAST_FAR = (Output.State.FAILED, Output.State.REQUESTED, Output.State.READY)


def _persona_row(scope: Scope, persona: Any) -> PersonaShown:
    outputs = list(persona.outputs.all())
    is_whole = len({output.arm_id for output in outputs}) >= len(scope.arm_codes) or any(o.planted for o in outputs)
    states = [output.state for output in outputs]
    state = min(states, key=_LEAST_FAR.index) if outputs and is_whole else Output.State.REQUESTED
    shown = [Shown(output.arm.code, output.planted, output.text) for output in outputs]
    return PersonaShown(
        persona=persona,
        turns=tuple(split_turns(persona.item.prompt)),
        shown=tuple(shown) if state == Output.State.READY else (),
        state=state,
        excluded_reason=next((output.excluded_reason for output in outputs if output.excluded_reason), ""),
        rated=persona.rated,
    )
