"""Save answers: idempotent, versioned, checked against the scale."""

import uuid

from django.db import transaction
from django.utils import timezone

from annotation.errors import ServiceError, StaleVersion, ValueOutOfScale
from annotation.models import Aspect, Assignment, PageVisit, Rating, Slot
from annotation.services.assignments import aspect_fits, assignment_touch

# A page load counts at most a day; the browser's clock is not to be trusted beyond that.
MAX_VISIT_MS = 24 * 60 * 60 * 1000


def rating_save(*, slot: Slot, aspect: Aspect, value: int, version: int, client_key: uuid.UUID) -> Rating:
    """Save one answer and return the rating that stands for it.

    `version` is that of the answer the page has seen (0 for none), `client_key` names this click: sent again it
    changes nothing. The same value again is no new answer. A different one supersedes the old, which is kept.

    Raises:
        ValueOutOfScale: the scale has no such value.
        ServiceError: the question is not asked here, or the key belongs to another answer.
        StaleVersion: another tab saved a different answer since; `current` is that rating.
        NotAllowedNow: the assignment is finished or the study closed.
    """
    if not aspect_fits(aspect, slot):
        raise ServiceError(f"{aspect.name} is not asked about this.")
    if not aspect.minimum <= value <= aspect.maximum:
        raise ValueOutOfScale(f"{aspect.name} takes {aspect.minimum} to {aspect.maximum}, not {value}.")
    with transaction.atomic():
        assignment_touch(assignment=slot.assignment)
        # From here on no other request for this assignment runs: the update above holds its row (SQLite: the file).
        sent_before = Rating.objects.filter(client_key=client_key).first()
        if sent_before:
            return _same_answer(sent_before, slot, aspect, value)
        current = current_rating(slot, aspect)
        if current and current.value == value:
            return current
        if version != (current.version if current else 0):
            raise StaleVersion("Another tab or device saved a different answer.", current=current)
        return _supersede(current, slot=slot, aspect=aspect, value=value, client_key=client_key)


def current_rating(slot: Slot, aspect: Aspect) -> Rating | None:
    """Return the answer that counts, if there is one."""
    return Rating.objects.filter(slot=slot, aspect=aspect, superseded_by__isnull=True).first()


def visit_save(
    *, assignment: Assignment, client_key: uuid.UUID, phase: PageVisit.Phase, focused_ms: int, idle_ms: int
) -> None:
    """Keep the time a page load has counted so far; totals only grow, so reports may arrive in any order.

    The sum can never exceed the time since the assignment was made, whatever the browser claims.
    """
    since = (timezone.now() - assignment.created_at).total_seconds() * 1000
    limit = int(min(MAX_VISIT_MS, since))
    focused = min(focused_ms, limit)
    idle = min(idle_ms, limit - focused)
    with transaction.atomic():
        visit, created = PageVisit.objects.get_or_create(
            client_key=client_key,
            defaults={"assignment": assignment, "phase": phase, "focused_ms": focused, "idle_ms": idle},
        )
        if created or visit.assignment_id != assignment.pk:
            return
        PageVisit.objects.filter(pk=visit.pk, focused_ms__lt=focused).update(focused_ms=focused)
        PageVisit.objects.filter(pk=visit.pk, idle_ms__lt=idle).update(idle_ms=idle)


def _same_answer(rating: Rating, slot: Slot, aspect: Aspect, value: int) -> Rating:
    if (rating.slot_id, rating.aspect_id, rating.value) != (slot.pk, aspect.pk, value):
        raise ServiceError("This request's key was used for another answer; reload the page and answer again.")
    return rating


def _supersede(current: Rating | None, *, slot: Slot, aspect: Aspect, value: int, client_key: uuid.UUID) -> Rating:
    rating = Rating(
        slot=slot,
        aspect=aspect,
        value=value,
        minimum=aspect.minimum,
        maximum=aspect.maximum,
        position=slot.position,
        version=current.version + 1 if current else 1,
        client_key=client_key,
    )
    if current:
        # Foreign keys are checked at commit, so the old row can point at the new one before it exists,
        # and at no time do two rows count as current.
        Rating.objects.filter(pk=current.pk, superseded_by__isnull=True).update(superseded_by=rating.pk)
    rating.save(force_insert=True)
    return rating
