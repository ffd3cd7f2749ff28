"""Answers to scales: one by one as they are clicked, and all together with "Continue"."""

from contextlib import suppress
from typing import Any

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404

from annotation.blinding import FollowupView, QuestionView, TaskView
from annotation.errors import NotAllowedNow, ServiceError, StaleVersion
from annotation.flow import Step
from annotation.http import get_assignment, parse_int, parse_uuid, participant_view, to_page
from annotation.models import Aspect, Assignment, PageVisit, Participant, Rating, Slot
from annotation.services.assignments import assignment_complete
from annotation.services.checks import check_tell
from annotation.services.places import participant_place
from annotation.services.ratings import rating_save, visit_save
from annotation.views.followups import Dispute, followups_save_all, followups_typed
from annotation.views.pages import rate_context, render_place


@participant_view("POST")
def save(request: HttpRequest, participant: Participant, slot_key: str, aspect_key: str) -> HttpResponse:
    """Save one answer. JSON out: 200 saved, 409 another tab's answer stands, 422 not on the scale, 403 over."""
    slot, aspect = _question(participant, slot_key, aspect_key)
    try:
        rating = rating_save(
            slot=slot,
            aspect=aspect,
            value=parse_int(request.POST.get("value", ""), "value"),
            version=parse_int(request.POST.get("version", ""), "version"),
            client_key=parse_uuid(request.POST.get("client_key", ""), "client_key"),
        )
    except StaleVersion as error:
        assert isinstance(error.current, Rating)
        return JsonResponse({"message": str(error), **_saved(error.current)}, status=409)
    except NotAllowedNow as error:
        return JsonResponse({"message": str(error)}, status=403)
    except ServiceError as error:
        return JsonResponse({"message": str(error)}, status=422)
    return JsonResponse(_saved(rating))


@participant_view("POST")
def complete(request: HttpRequest, participant: Participant, key: str) -> HttpResponse:
    """Save every answer on the page that is not saved yet, and go on if none is missing."""
    assignment = get_assignment(participant, key)
    place = participant_place(participant=participant)
    if place.step == Step.PAUSED and assignment.shown_at:
        with suppress(ServiceError):  # without JavaScript the answers are on this form only
            _save_all(request, assignment)
            followups_save_all(request, assignment)
    if place.step != Step.RATE or place.assignment != assignment:
        return to_page(participant)
    try:
        conflicts = _save_all(request, assignment)
        disputes = followups_save_all(request, assignment)
        if conflicts or disputes:
            task = _typed_task(request, assignment)
            extra = {"conflicts": conflicts, "disputed": _named(task, disputes), "task": task}
            return render_place(request, participant, place, status=409, **extra)
        if rate_context(assignment)["task"].missing:
            return render_place(request, participant, place, status=422, show_missing=True)
        if check := check_tell(assignment=assignment):
            return render_place(request, participant, place, status=422, read_again=check.question)
        assignment_complete(assignment=assignment)
    except NotAllowedNow:
        pass  # finished in another tab, or the study has closed: the page says which
    except ServiceError as error:
        task = _typed_task(request, assignment)
        return render_place(request, participant, place, status=422, error=str(error), task=task)
    return to_page(participant)


@participant_view("POST")
def time(request: HttpRequest, participant: Participant, key: str) -> HttpResponse:
    """Keep the focused and idle time that the page has counted."""
    phase = request.POST.get("phase", "")
    if phase not in PageVisit.Phase.values:
        raise BadRequest(f"phase must be one of {', '.join(PageVisit.Phase.values)}")
    visit_save(
        assignment=get_assignment(participant, key),
        client_key=parse_uuid(request.POST.get("visit", ""), "visit"),
        phase=PageVisit.Phase(phase),
        focused_ms=parse_int(request.POST.get("focused_ms", ""), "focused_ms"),
        idle_ms=parse_int(request.POST.get("idle_ms", ""), "idle_ms"),
    )
    return HttpResponse(status=204)


def _question(participant: Participant, slot_key: str, aspect_key: str) -> tuple[Slot, Aspect]:
    slot = get_object_or_404(
        Slot.objects.select_related("assignment__participant__study"),
        key=slot_key,
        assignment__participant=participant,
    )
    if slot.assignment.shown_at is None:
        raise Http404  # its response has not been on a page yet
    return slot, get_object_or_404(Aspect, study_id=participant.study_id, key=aspect_key)


def _typed_task(request: HttpRequest, assignment: Assignment) -> TaskView:
    """Return the page with the answers that are saved, and what this form holds beside them."""
    task: TaskView = rate_context(assignment, followups_typed(request, assignment))["task"]
    return task


def _named(task: TaskView, disputes: list[Dispute]) -> list[tuple[FollowupView, str]]:
    """Return each disputed field as it stands on the page, with what is saved for it."""
    saved = {dispute.field: dispute.saved for dispute in disputes}
    return [(shown, saved[shown.text_name]) for shown in task.followups if shown.text_name in saved]


def _saved(rating: Rating) -> dict[str, Any]:
    return {"value": rating.value, "version": rating.version, "saved_at": rating.saved_at.isoformat()}


def _save_all(request: HttpRequest, assignment: Assignment) -> list[QuestionView]:
    """Save what the form holds; return the questions that another tab has answered differently since."""
    slots = {slot.key: slot for slot in assignment.slots.all()}
    aspects = {aspect.key: aspect for aspect in assignment.participant.study.aspects.all()}
    conflicts = []
    for question in rate_context(assignment)["task"].questions:
        text = request.POST.get(question.name)
        if not text:
            continue
        slot = slots[question.slot_key]
        slot.assignment = assignment
        try:
            rating_save(
                slot=slot,
                aspect=aspects[question.aspect_key],
                value=parse_int(text, question.name),
                version=parse_int(request.POST.get(f"version-{question.name}", ""), "version"),
                client_key=parse_uuid(request.POST.get(f"key-{question.name}", ""), "key"),
            )
        except StaleVersion:
            conflicts.append(question)
    return conflicts
