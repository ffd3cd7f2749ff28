"""Counts from the database for the allocation: which units are free, and where the arms have stood so far.

Previews and bots are counted apart from people, so that a rehearsal takes nobody's place.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from annotation.allocation import Sides, Unit, overlaps_at_most, repeats_of
from annotation.models import Assignment, Item, Output, Participant, Persona, Slot, Study

_PLANNED = {
    Persona.Source.WRITTEN: "written_personas_per_participant",
    Persona.Source.GIVEN: "given_personas_per_participant",
}
# What a participant is at or has done; whatever was skipped, set aside or released is as if it had never been theirs.
HELD = (Assignment.State.OPEN, Assignment.State.COMPLETED)
_BLOCKS = {Study.Blocks.STRATUM: "persona__item__stratum", Study.Blocks.CONDITION: "persona__block"}


class UnitRow(NamedTuple):
    """What the database says of a unit; `item` is the item's key in the study file, `text` a persona's."""

    key: int
    item_id: int
    item: str
    stratum: str
    block: str = ""
    text: str = ""


PERSONA_ROW = ("pk", "item_id", "item__key", "item__stratum", "block", "text")


def sources_left(participant: Participant) -> list[Persona.Source]:
    """Return the parts that are not done yet, in order. Own personas come before ready ones.

    Who has seen ready personas and their responses first would write others' personas, not their own.
    """
    done = Counter(held(participant, Assignment.Kind.MAIN).values_list("persona__source", flat=True))
    return [source for source, planned in _PLANNED.items() if done[source] < getattr(participant.study, planned)]


def has_free_unit(participant: Participant) -> bool:
    """Whether any of the participant's own parts is left to begin."""
    return any(
        unit.taken < unit.places for source in sources_left(participant) for unit in free_units(participant, source)
    )


def assignments_at_most(study: Study) -> int:
    """Return how many parts anybody does at most, second showings and planted ones included.

    It is the same before and after they begin, so that the number gives nothing away. Fewer come about where others
    have left too few units for a second rating.
    """
    own = sum(getattr(study, name) for name in _PLANNED.values())
    others = overlaps_at_most(share=study.overlap_share, parts=study.written_personas_per_participant)
    return own + others + repeats_of(share=study.repeat_share, parts=own) + study.planted_parts


def free_units(participant: Participant, source: Persona.Source) -> list[Unit]:
    """Return the units of one source that this participant has not seen, with their places, sides and blocks."""
    study = participant.study
    if source == Persona.Source.GIVEN:
        rows = [UnitRow(*row) for row in _given(participant).values_list(*PERSONA_ROW)]
        taken = counts_by(live_assignments(participant), "persona_id")
    else:
        rows = [UnitRow(*row) for row in _items_to_write(participant).values_list("pk", "pk", "key", "stratum")]
        written = live_assignments(participant).filter(persona__source=Persona.Source.WRITTEN)
        taken = counts_by(written, "persona__item_id")
    return units_of_rows(participant, rows, taken, places=study.raters_per_item)


def repeatable(participant: Participant) -> dict[int, int]:
    """Return the own parts that may be shown again, as ids with their ordinals; none once enough have been."""
    done = held(participant, Assignment.Kind.MAIN).filter(state=Assignment.State.COMPLETED)
    wanted = repeats_of(share=participant.study.repeat_share, parts=done.count())
    if held(participant, Assignment.Kind.REPEAT).count() >= wanted:
        return {}
    return dict(done.filter(repeats__isnull=True).values_list("pk", "ordinal"))


def planted_persona(participant: Participant) -> Persona | None:
    """Return the planted persona whose part has come and that this participant has not seen, if there is one."""
    due = _planted(participant.study).filter(planted_part__lte=next_ordinal(participant))
    return (
        Persona.objects.filter(item__in=due)
        .exclude(assignments__participant=participant)
        .order_by("item__planted_part", "item__ordinal")
        .first()
    )


def next_ordinal(participant: Participant) -> int:
    """Return the place in the participant's sequence that the next assignment takes."""
    return participant.assignments.count() + 1


def held(participant: Participant, kind: Assignment.Kind) -> QuerySet[Assignment]:
    """Return the participant's own assignments of this kind that count."""
    return participant.assignments.filter(kind=kind, state__in=HELD)


def live_assignments(participant: Participant, kind: Assignment.Kind = Assignment.Kind.MAIN) -> QuerySet[Assignment]:
    """Return the assignments that hold a place: finished ones, and unfinished ones that have not expired.

    Those of excluded participants hold none: while the study is open, somebody else can take their places.
    """
    holds = Q(state=Assignment.State.COMPLETED, surplus=False) | Q(
        state=Assignment.State.OPEN, expires_at__gt=timezone.now()
    )
    return Assignment.objects.filter(
        holds, kind=kind, participant__study_id=participant.study_id, participant__kind=participant.kind,
        participant__excluded_at__isnull=True,
    )  # fmt: skip


def is_place_filled(assignment: Assignment) -> bool:
    """Whether others hold or have filled every place of this assignment's unit. Repeats and checks have their own."""
    kind = Assignment.Kind(assignment.kind)
    if kind not in (Assignment.Kind.MAIN, Assignment.Kind.OVERLAP):
        return False
    others = live_assignments(assignment.participant, kind).exclude(pk=assignment.pk)
    persona = assignment.persona
    if kind == Assignment.Kind.OVERLAP:
        return others.filter(persona=persona).exists()
    of_unit = (
        others.filter(persona=persona)
        if persona.source == Persona.Source.GIVEN
        else others.filter(persona__item_id=persona.item_id, persona__source=Persona.Source.WRITTEN)
    )
    return of_unit.count() >= assignment.participant.study.raters_per_item


def participant_sides(participant: Participant) -> Sides:
    """Return where each arm has stood for this participant, planted outputs aside."""
    mine = participant.assignments.filter(state__in=HELD).exclude(kind=Assignment.Kind.CHECK)
    rows = _side_rows(Slot.objects.filter(assignment__in=mine), participant)
    sides: Sides = Counter()
    for _, arm, position, n in rows:
        sides[arm, position] += n
    return sides


def participant_blocks(participant: Participant) -> Counter[str]:
    """Return how many own parts of each block the participant is at or has done; empty where the study has none."""
    path = _BLOCKS.get(Study.Blocks(participant.study.blocks))
    if path is None:
        return Counter()
    return Counter(held(participant, Assignment.Kind.MAIN).values_list(path, flat=True))


def item_sides(participant: Participant, *, item_ids: Iterable[int]) -> defaultdict[int, Sides]:
    """Return, per item, where each arm has stood in live assignments."""
    slots = Slot.objects.filter(
        assignment__in=live_assignments(participant), assignment__persona__item_id__in=set(item_ids)
    )
    sides: defaultdict[int, Sides] = defaultdict(Counter)
    for item_id, arm, position, n in _side_rows(slots, participant):
        sides[item_id][arm, position] = n
    return sides


def units_of_rows(participant: Participant, rows: Sequence[UnitRow], taken: Counter[int], *, places: int) -> list[Unit]:
    """Return the units that the rows describe."""
    sides = item_sides(participant, item_ids={row.item_id for row in rows})
    blocks = Study.Blocks(participant.study.blocks)
    names = {Study.Blocks.STRATUM: "stratum", Study.Blocks.CONDITION: "block"}
    return [
        Unit(
            key=row.key,
            label=f"{row.item} {row.text}" if row.text else row.item,
            places=places,
            taken=taken[row.key],
            sides=sides[row.item_id],
            block=getattr(row, names[blocks]) if blocks in names else "",
        )
        for row in rows
    ]


def _side_rows(slots: QuerySet[Slot], participant: Participant) -> list[tuple[int, int, int, int]]:
    number = {pk: index for index, pk in enumerate(participant.study.arms.values_list("pk", flat=True))}
    rows = (
        slots.filter(kind=Slot.Kind.OUTPUT)
        .values_list("assignment__persona__item_id", "output__arm_id", "position")
        .annotate(n=Count("pk"))
        .order_by()
    )
    return [(item_id, number[arm_id], position, n) for item_id, arm_id, position, n in rows]


def _given(participant: Participant) -> QuerySet[Persona]:
    return (
        Persona.objects.filter(
            item__study_id=participant.study_id, item__planted_part__isnull=True, source=Persona.Source.GIVEN
        )
        .exclude(outputs__excluded_at__isnull=False)
        .exclude(outputs__state=Output.State.FAILED)  # everybody would meet the same failure
        .exclude(assignments__participant=participant)
        .order_by("pk")
    )


def _items_to_write(participant: Participant) -> QuerySet[Item]:
    return (
        participant.study.items.filter(planted_part__isnull=True)
        .exclude(personas__source=Persona.Source.GIVEN)
        .exclude(personas__author=participant)
        .order_by("pk")
    )


def _planted(study: Study) -> QuerySet[Item]:
    return study.items.filter(planted_part__isnull=False)


def counts_by(assignments: QuerySet[Assignment], key: str) -> Counter[int]:
    """Return how many assignments there are for each value of the field `key`."""
    return Counter(dict(assignments.values_list(key).annotate(n=Count("pk")).order_by()))
