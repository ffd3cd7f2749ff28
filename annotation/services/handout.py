"""Hand out places: who sees what next, inside the study's turn."""

from collections import Counter
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from annotation.allocation import Order, Unit, choose_order, choose_repeat, choose_unit
from annotation.flow import takes_work
from annotation.models import Aspect, Assignment, Event, Item, Participant, Persona, Slot
from annotation.overlap import overlap_units
from annotation.questions import slot_kind_of
from annotation.services.locks import study_lock
from annotation.services.log import event_log
from annotation.units import (
    free_units,
    has_free_unit,
    item_sides,
    next_ordinal,
    participant_blocks,
    participant_sides,
    planted_persona,
    repeatable,
    sources_left,
)


def assignment_next(*, participant: Participant) -> Assignment | None:
    """Return the participant's open assignment, creating the next one if there is none; None when all is done.

    Own parts come first, then personas of others, then repetitions; a planted item comes when its part has come. Two
    requests at once get the same assignment, and two participants never share one last place.
    """
    study = participant.study
    with transaction.atomic():
        study_lock(study_id=study.pk)
        current = Assignment.objects.filter(participant=participant, state=Assignment.State.OPEN).first()
        if current or not takes_work(study.state, participant.kind) or _has_left(participant):
            return current
        for hand_out in (_hand_out_planted, _hand_out_own, _hand_out_overlap, _hand_out_repeat):
            assignment = hand_out(participant)
            if assignment:
                return assignment
        return None


def slots_create(*, assignment: Assignment) -> None:
    """Place the outputs of a persona, once they are requested, in a counterbalanced order."""
    participant = assignment.participant
    study = participant.study
    order = choose_order(
        seed=study.seed,
        participant=participant.number,
        key=(assignment.persona.item.key, assignment.repeat),
        arms=study.arms.count(),
        participant_sides=participant_sides(participant),
        item_sides=item_sides(participant, item_ids=[assignment.persona.item_id])[assignment.persona.item_id],
    )
    _create_slots(assignment, order)


def _has_left(participant: Participant) -> bool:
    """Whether the participant has withdrawn since this request began."""
    return Participant.objects.filter(pk=participant.pk, withdrawn_at__isnull=False).exists()


def _hand_out_planted(participant: Participant) -> Assignment | None:
    persona = planted_persona(participant)
    # Nobody comes for a planted item alone: where no place was left at the start, the study is full.
    if persona is None or (next_ordinal(participant) == 1 and not has_free_unit(participant)):
        return None
    assignment = _create(participant=participant, persona=persona, kind=Assignment.Kind.CHECK)
    order = choose_order(
        seed=participant.study.seed,
        participant=participant.number,
        key=persona.item.key,
        arms=persona.outputs.count(),
        participant_sides=Counter(),
        item_sides=Counter(),
    )
    _create_slots(assignment, order)
    return assignment


def _hand_out_own(participant: Participant) -> Assignment | None:
    for source in sources_left(participant):
        choice = _choose(participant, free_units(participant, source))
        if choice is None:
            continue
        unit, order = choice
        if source == Persona.Source.WRITTEN:
            item = Item.objects.get(pk=unit.key)
            draft = Persona.objects.create(item=item, source=source, author=participant)
            return _create(participant=participant, persona=draft)
        return _hand_out_ready(participant, unit, order, Assignment.Kind.MAIN)
    return None


def _hand_out_overlap(participant: Participant) -> Assignment | None:
    choice = _choose(participant, overlap_units(participant))
    return _hand_out_ready(participant, *choice, Assignment.Kind.OVERLAP) if choice else None


def _hand_out_repeat(participant: Participant) -> Assignment | None:
    first = choose_repeat(
        seed=participant.study.seed,
        participant=participant.number,
        done=repeatable(participant),
        next_part=next_ordinal(participant),
    )
    if first is None:
        return None
    repeated = Assignment.objects.select_related("persona").get(pk=first)
    kind = Assignment.Kind.REPEAT
    assignment = _create(participant=participant, persona=repeated.persona, kind=kind, repeat_of=repeated)
    slots_create(assignment=assignment)
    return assignment


def _choose(participant: Participant, units: list[Unit]) -> tuple[Unit, Order] | None:
    study = participant.study
    choice = choose_unit(
        seed=study.seed,
        participant=participant.number,
        arms=study.arms.count(),
        units=units,
        participant_sides=participant_sides(participant),
        participant_blocks=participant_blocks(participant),
    )
    return (choice.unit, choice.order) if choice else None


def _hand_out_ready(participant: Participant, unit: Unit, order: Order, kind: Assignment.Kind) -> Assignment:
    assignment = _create(participant=participant, persona=Persona.objects.get(pk=unit.key), kind=kind)
    _create_slots(assignment, order)
    return assignment


def _create(
    *,
    participant: Participant,
    persona: Persona,
    kind: Assignment.Kind = Assignment.Kind.MAIN,
    repeat_of: Assignment | None = None,
) -> Assignment:
    assignment = Assignment.objects.create(
        participant=participant,
        persona=persona,
        kind=kind,
        repeat_of=repeat_of,
        repeat=1 if repeat_of else 0,
        ordinal=next_ordinal(participant),
        expires_at=timezone.now() + timedelta(hours=participant.study.assignment_hours),
    )
    event_log(participant=participant, kind=Event.Kind.ASSIGNED, assignment=assignment)
    return assignment


def _create_slots(assignment: Assignment, order: Order) -> None:
    """Place the outputs as `order` says, and after them whatever else questions are asked about in this part."""
    outputs = {output.arm_id: output for output in assignment.persona.outputs.filter(sample=0)}
    arms = list(assignment.participant.study.arms.values_list("pk", flat=True))
    if assignment.kind == Assignment.Kind.CHECK:
        arms = [arm for arm in arms if arm in outputs]  # a planted pair has two outputs, however many arms there are
    slots = [
        Slot(assignment=assignment, kind=Slot.Kind.OUTPUT, position=position, output=outputs[arms[arm]])
        for position, arm in enumerate(order, start=1)
    ]
    for position, kind in enumerate(_kinds_besides_outputs(assignment), start=len(slots) + 1):
        persona = assignment.persona if kind == Slot.Kind.PERSONA else None
        slots.append(Slot(assignment=assignment, kind=kind, position=position, persona=persona))
    Slot.objects.bulk_create(slots)


def _kinds_besides_outputs(assignment: Assignment) -> list[Slot.Kind]:
    aspects = assignment.participant.study.aspects.exclude(kind=Aspect.Kind.RATING)
    elsewhere = aspects.filter(kind=Aspect.Kind.CHECK).exclude(part=assignment.ordinal)
    asked = {slot_kind_of(kind) for kind in aspects.exclude(pk__in=elsewhere).values_list("kind", flat=True)}
    return [kind for kind in (Slot.Kind.PAIR, Slot.Kind.PERSONA, Slot.Kind.CHECK) if kind in asked]
