"""Hand out places, and finish or set aside what was handed out."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Case, F, Value, When
from django.utils import timezone

from annotation.allocation import Choice, choose_order, choose_unit
from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Aspect, Assignment, Event, Item, Participant, Persona, Rating, Slot, Study
from annotation.services.log import event_log
from annotation.services.turns import study_turn_take
from annotation.units import free_units, item_sides, participant_sides, places_taken, sources_left


def assignment_next(*, participant: Participant) -> Assignment | None:
    """Return the participant's open assignment, creating the next one if there is none; None when all is done.

    Two requests at once get the same assignment, and two participants never share one last place.
    """
    study = participant.study
    with transaction.atomic():
        study_turn_take(study_id=study.pk)
        current = Assignment.objects.filter(participant=participant, state=Assignment.State.OPEN).first()
        if current or study.state != Study.State.OPEN or _has_left(participant):
            return current
        for source in sources_left(participant):
            choice = _choose(participant, source)
            if choice:
                return _hand_out(participant, source, choice)
        return None


def slots_create(*, assignment: Assignment) -> None:
    """Place the outputs of a written persona, once they are requested, in a counterbalanced order."""
    participant = assignment.participant
    study = participant.study
    order = choose_order(
        seed=study.seed,
        participant=participant.number,
        key=assignment.persona.item_id,
        arms=study.arms.count(),
        participant_sides=participant_sides(participant),
        item_sides=item_sides(participant, item_ids=[assignment.persona.item_id])[assignment.persona.item_id],
    )
    _create_slots(assignment, order)


def assignment_touch(*, assignment: Assignment) -> None:
    """Start the assignment's time afresh, as every save does; an expired one stays expired but may be finished.

    The update also makes requests for one assignment take turns on PostgreSQL.

    Raises:
        NotAllowedNow: the assignment is finished, or the study is closed.
    """
    study = assignment.participant.study
    if study.state not in (Study.State.OPEN, Study.State.PAUSED):
        raise NotAllowedNow("The study has been closed; answers can no longer be saved.")
    still_open = Assignment.objects.filter(pk=assignment.pk, state=Assignment.State.OPEN)
    now = timezone.now()
    expires_at = Case(
        When(expires_at__gt=now, then=Value(now + timedelta(hours=study.assignment_hours))), default=F("expires_at")
    )
    if not still_open.update(expires_at=expires_at):
        raise NotAllowedNow("This part has been finished already; its answers can no longer be changed.")


def assignment_mark_shown(*, assignment: Assignment) -> None:
    """Record when the outputs first stood on the page."""
    with transaction.atomic():
        if Assignment.objects.filter(pk=assignment.pk, shown_at__isnull=True).update(shown_at=timezone.now()):
            event_log(participant=assignment.participant, kind=Event.Kind.SHOWN, assignment=assignment)


def assignment_complete(*, assignment: Assignment) -> None:
    """Finish an assignment whose every question is answered.

    Raises:
        ServiceError: answers are missing.
        NotAllowedNow: it is finished already, or the study is closed.
    """
    participant = assignment.participant
    with transaction.atomic():
        study_turn_take(study_id=participant.study_id)
        assignment_touch(assignment=assignment)
        missing = len(questions_of(assignment) - answered_questions(assignment))
        if missing:
            raise ServiceError(f"{missing} questions are not answered yet.")
        assignment.refresh_from_db()
        expired = assignment.expires_at <= timezone.now()
        assignment.surplus = expired and places_taken(assignment) >= participant.study.raters_per_item
        assignment.state = Assignment.State.COMPLETED
        assignment.completed_at = timezone.now()
        assignment.save(update_fields=["surplus", "state", "completed_at"])
        event_log(participant=participant, kind=Event.Kind.ASSIGNMENT_COMPLETED, assignment=assignment)


def assignment_set_aside(*, assignment: Assignment) -> None:
    """Give up an assignment whose outputs failed or do not come; the persona stays, the place returns.

    Raises:
        NotAllowedNow: the assignment is not open, or its outputs are already on the page.
    """
    with transaction.atomic():
        waiting = Assignment.objects.filter(
            pk=assignment.pk, state=Assignment.State.OPEN, shown_at__isnull=True, persona__submitted_at__isnull=False
        )
        if not waiting.update(state=Assignment.State.SET_ASIDE):
            raise NotAllowedNow("This part cannot be set aside any more.")
        event_log(participant=assignment.participant, kind=Event.Kind.ASSIGNMENT_SET_ASIDE, assignment=assignment)


def questions_of(assignment: Assignment) -> set[tuple[int, int]]:
    """Return the (slot id, aspect id) pairs that have to be answered."""
    aspects = list(assignment.participant.study.aspects.all())
    return {(slot.pk, aspect.pk) for slot in assignment.slots.all() for aspect in aspects if aspect_fits(aspect, slot)}


def answered_questions(assignment: Assignment) -> set[tuple[int, int]]:
    """Return the (slot id, aspect id) pairs that have a current rating."""
    current = Rating.objects.filter(slot__assignment=assignment, superseded_by__isnull=True)
    return set(current.values_list("slot_id", "aspect_id"))


def aspect_fits(aspect: Aspect, slot: Slot) -> bool:
    """Whether this question is asked about this slot: ratings of outputs, comparisons of the pair, checks of a part."""
    if aspect.kind == Aspect.Kind.CHECK:
        return slot.kind == Slot.Kind.CHECK and slot.assignment.ordinal == aspect.part
    wanted = Slot.Kind.PAIR if aspect.kind == Aspect.Kind.COMPARISON else Slot.Kind.OUTPUT
    return slot.kind == wanted


def _has_left(participant: Participant) -> bool:
    """Whether the participant has withdrawn since this request began."""
    return Participant.objects.filter(pk=participant.pk, withdrawn_at__isnull=False).exists()


def _choose(participant: Participant, source: Persona.Source) -> Choice | None:
    study = participant.study
    return choose_unit(
        seed=study.seed,
        participant=participant.number,
        arms=study.arms.count(),
        units=free_units(participant, source),
        participant_sides=participant_sides(participant),
    )


def _hand_out(participant: Participant, source: Persona.Source, choice: Choice) -> Assignment:
    if source == Persona.Source.WRITTEN:
        item = Item.objects.get(pk=choice.unit.key)
        persona = Persona.objects.create(item=item, source=source, author=participant)
        return _create(participant=participant, persona=persona)
    assignment = _create(participant=participant, persona=Persona.objects.get(pk=choice.unit.key))
    _create_slots(assignment, choice.order)
    return assignment


def _create(*, participant: Participant, persona: Persona) -> Assignment:
    hours = participant.study.assignment_hours
    assignment = Assignment.objects.create(
        participant=participant,
        persona=persona,
        ordinal=participant.assignments.count() + 1,
        expires_at=timezone.now() + timedelta(hours=hours),
    )
    event_log(participant=participant, kind=Event.Kind.ASSIGNED, assignment=assignment)
    return assignment


def _create_slots(assignment: Assignment, order: tuple[int, ...]) -> None:
    study = assignment.participant.study
    outputs = {output.arm_id: output for output in assignment.persona.outputs.filter(sample=0)}
    arms = list(study.arms.all())
    slots = [
        Slot(assignment=assignment, kind=Slot.Kind.OUTPUT, position=position, output=outputs[arms[arm].pk])
        for position, arm in enumerate(order, start=1)
    ]
    if study.aspects.filter(kind=Aspect.Kind.COMPARISON).exists():
        slots.append(Slot(assignment=assignment, kind=Slot.Kind.PAIR, position=len(arms) + 1))
    if study.aspects.filter(kind=Aspect.Kind.CHECK, part=assignment.ordinal).exists():
        slots.append(Slot(assignment=assignment, kind=Slot.Kind.CHECK, position=slots[-1].position + 1))
    Slot.objects.bulk_create(slots)
