"""Finish or set aside what was handed out, and start its time afresh; services/handout.py hands it out."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Case, F, Value, When
from django.utils import timezone

from annotation.errors import NotAllowedNow, ServiceError
from annotation.flow import takes_work
from annotation.models import Aspect, Assignment, Event, Rating, Slot, Study
from annotation.services.handout import SLOT_OF
from annotation.services.handout import assignment_next as assignment_next
from annotation.services.handout import slots_create as slots_create
from annotation.services.locks import study_lock
from annotation.services.log import event_log
from annotation.services.tallies import assignment_recount
from annotation.units import is_place_filled


def assignment_touch(*, assignment: Assignment) -> None:
    """Start the assignment's time afresh, as every save does; an expired one stays expired but may be finished.

    The update also makes requests for one assignment take turns on PostgreSQL.

    Raises:
        NotAllowedNow: the assignment is finished, or the study is closed.
    """
    study = assignment.participant.study
    if study.state != Study.State.PAUSED and not takes_work(study.state, assignment.participant.kind):
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
        study_lock(study_id=participant.study_id)
        assignment_touch(assignment=assignment)
        missing = len(questions_of(assignment) - answered_questions(assignment))
        if missing:
            raise ServiceError(f"{missing} questions are not answered yet.")
        assignment.refresh_from_db()
        # Others can have filled it when it had expired, or while its owner was excluded.
        assignment.surplus = is_place_filled(assignment)
        assignment.state = Assignment.State.COMPLETED
        assignment.completed_at = timezone.now()
        assignment.save(update_fields=["surplus", "state", "completed_at"])
        assignment_recount(assignment=assignment)
        event_log(participant=participant, kind=Event.Kind.ASSIGNMENT_COMPLETED, assignment=assignment)


def assignment_set_aside(*, assignment: Assignment) -> None:
    """Give up an assignment whose outputs failed or do not come; the persona stays, the place returns.

    Raises:
        NotAllowedNow: the assignment is not open, or its outputs are already on the page.
    """
    with transaction.atomic():
        study_lock(study_id=assignment.participant.study_id)
        waiting = Assignment.objects.filter(
            pk=assignment.pk, state=Assignment.State.OPEN, shown_at__isnull=True, persona__submitted_at__isnull=False
        )
        if not waiting.update(state=Assignment.State.SET_ASIDE):
            raise NotAllowedNow("This part cannot be set aside any more.")
        assignment_recount(assignment=assignment)
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
    """Whether this question is asked about this slot; an attention check stands in one part only."""
    if slot.kind != SLOT_OF[Aspect.Kind(aspect.kind)]:
        return False
    return aspect.kind != Aspect.Kind.CHECK or aspect.part == slot.assignment.ordinal
