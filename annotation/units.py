"""Counts from the database for the allocation: which units are free, and where the arms have stood so far.

Previews and bots are counted apart from people, so that a rehearsal takes nobody's place.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from annotation.allocation import Sides, Unit
from annotation.models import Assignment, Item, Participant, Persona, Slot

_PLANNED = {
    Persona.Source.WRITTEN: "written_personas_per_participant",
    Persona.Source.GIVEN: "given_personas_per_participant",
}


def sources_left(participant: Participant) -> list[Persona.Source]:
    """Return the parts that are not done yet, in order. Own personas come before ready ones.

    Who has seen ready personas and their responses first would write others' personas, not their own.
    """
    done = Counter(
        participant.assignments.exclude(state=Assignment.State.SET_ASIDE).values_list("persona__source", flat=True)
    )
    return [source for source, planned in _PLANNED.items() if done[source] < getattr(participant.study, planned)]


def has_free_unit(participant: Participant) -> bool:
    """Whether there is anything left for this participant to do."""
    return any(
        unit.taken < unit.places for source in sources_left(participant) for unit in free_units(participant, source)
    )


def planned_assignments(participant: Participant) -> int:
    """Return how many assignments the study plans for each participant."""
    return sum(getattr(participant.study, name) for name in _PLANNED.values())


def free_units(participant: Participant, source: Persona.Source) -> list[Unit]:
    """Return the units of one part that this participant has not seen, with their places and sides."""
    study = participant.study
    if source == Persona.Source.GIVEN:
        pairs = list(_given(participant).values_list("pk", "item_id"))
        taken = _counts(live_assignments(participant), "persona_id")
    else:
        pairs = [(pk, pk) for pk in _items_to_write(participant).values_list("pk", flat=True)]
        written = live_assignments(participant).filter(persona__source=Persona.Source.WRITTEN)
        taken = _counts(written, "persona__item_id")
    sides = item_sides(participant, item_ids={item for _, item in pairs})
    return [Unit(key=key, places=study.raters_per_item, taken=taken[key], sides=sides[item]) for key, item in pairs]


def live_assignments(participant: Participant) -> QuerySet[Assignment]:
    """Return the assignments that hold a place: finished ones, and unfinished ones that have not expired."""
    holds = Q(state=Assignment.State.COMPLETED, surplus=False) | Q(
        state=Assignment.State.OPEN, expires_at__gt=timezone.now()
    )
    return Assignment.objects.filter(
        holds,
        kind=Assignment.Kind.MAIN,
        participant__study_id=participant.study_id,
        participant__kind=participant.kind,
    )


def places_taken(assignment: Assignment) -> int:
    """Return how many places of this assignment's unit others hold or have filled."""
    others = live_assignments(assignment.participant).exclude(pk=assignment.pk)
    persona = assignment.persona
    if persona.source == Persona.Source.GIVEN:
        return others.filter(persona=persona).count()
    return others.filter(persona__item_id=persona.item_id, persona__source=Persona.Source.WRITTEN).count()


def participant_sides(participant: Participant) -> Sides:
    """Return where each arm has stood for this participant."""
    mine = participant.assignments.exclude(state=Assignment.State.SET_ASIDE)
    rows = _side_rows(Slot.objects.filter(assignment__in=mine), participant)
    return Counter({(arm, position): n for _, arm, position, n in rows})


def item_sides(participant: Participant, *, item_ids: Iterable[int]) -> defaultdict[int, Sides]:
    """Return, per item, where each arm has stood in live assignments."""
    slots = Slot.objects.filter(
        assignment__in=live_assignments(participant), assignment__persona__item_id__in=set(item_ids)
    )
    sides: defaultdict[int, Sides] = defaultdict(Counter)
    for item_id, arm, position, n in _side_rows(slots, participant):
        sides[item_id][arm, position] = n
    return sides


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
        Persona.objects.filter(item__study_id=participant.study_id, source=Persona.Source.GIVEN)
        .exclude(outputs__excluded_at__isnull=False)
        .exclude(assignments__participant=participant)
        .order_by("pk")
    )


def _items_to_write(participant: Participant) -> QuerySet[Item]:
    return (
        participant.study.items.exclude(personas__source=Persona.Source.GIVEN)
        .exclude(personas__author=participant)
        .order_by("pk")
    )


def _counts(assignments: QuerySet[Assignment], key: str) -> Counter[int]:
    return Counter(dict(assignments.values_list(key).annotate(n=Count("pk")).order_by()))
