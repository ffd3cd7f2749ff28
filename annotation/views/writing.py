"""Writing a persona, and waiting for the outputs made from it."""

from contextlib import suppress
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from annotation.errors import NotAllowedNow, ServiceError, StaleVersion
from annotation.flow import Step
from annotation.http import get_assignment, parse_int, parse_uuid, participant_view, posted_text, to_page
from annotation.models import Assignment, Participant
from annotation.screening import writing_advice
from annotation.services.assignments import assignment_set_aside
from annotation.services.personas import persona_draft_save, persona_submit
from annotation.services.places import Place, participant_place
from annotation.views.pages import failed_context, held_context, render_place, wait_context
from annotation.views.writing_help import helped_form


@participant_view("POST")
def draft(request: HttpRequest, participant: Participant, key: str) -> HttpResponse:
    """Save a draft (htmx) and answer with the advice on it."""
    assignment = get_assignment(participant, key)
    form = _form(request)
    try:
        assignment.persona = persona_draft_save(assignment=assignment, **form)
    except StaleVersion:
        assignment.persona.refresh_from_db()
        other = assignment.persona
        # The page keeps its old version until the participant has chosen: typing on must not overwrite unseen.
        extra = {"conflict": other.text, "other_version": other.draft_version, "version": form["version"]}
        return _fragment(request, assignment, status=409, **extra)
    except NotAllowedNow:
        return _redirect(request, participant)
    except ServiceError as error:
        return _fragment(request, assignment, status=422, error=str(error))
    return _fragment(request, assignment)


@participant_view("POST")
def submit(request: HttpRequest, participant: Participant, key: str) -> HttpResponse:
    """Take the finished persona; the outputs are requested with it."""
    assignment = get_assignment(participant, key)
    place = participant_place(participant=participant, at_hand=assignment)
    if place.step == Step.PAUSED:
        with suppress(ServiceError):  # without JavaScript the text is on this form only
            persona_draft_save(assignment=assignment, **helped_form(request, assignment, _form(request)))
    if place.step != Step.WRITE or place.assignment != assignment:
        return to_page(participant)
    form = helped_form(request, assignment, _form(request))
    typed = {"text": form["text"], "tab": form["tab"], "advice": writing_advice(participant.study, form["text"])}
    try:
        persona_submit(assignment=assignment, **form)
    except StaleVersion:
        assignment.persona.refresh_from_db()
        conflict = {"conflict": assignment.persona.text, "version": assignment.persona.draft_version}
        return render_place(request, participant, Place(place.step, assignment), status=409, **typed, **conflict)
    except NotAllowedNow:
        return to_page(participant)
    except ServiceError as error:
        typed["version"] = form["version"]
        return render_place(request, participant, place, status=422, error=str(error), **typed)
    return to_page(participant)


@participant_view("GET", "HEAD")
def wait(request: HttpRequest, participant: Participant, key: str) -> HttpResponse:
    """Answer the waiting page's poll: progress, or the way to the page once there is something to do."""
    assignment = get_assignment(participant, key)
    place = participant_place(participant=participant, at_hand=assignment)
    if not request.htmx or place.step != Step.WAIT or place.assignment != assignment:  # type: ignore[attr-defined]
        return _redirect(request, participant)
    context = {"participant": participant, "assignment": assignment, **wait_context(assignment)}
    return render(request, "annotation/participant/wait.html#progress", context)


@participant_view("GET", "HEAD")
def failed(request: HttpRequest, participant: Participant, key: str) -> HttpResponse:
    """Answer the poll of the page that has no responses to show: the way on, once they have been asked for again."""
    assignment = get_assignment(participant, key)
    place = participant_place(participant=participant, at_hand=assignment)
    if not request.htmx or place.step != Step.FAILED or place.assignment != assignment:  # type: ignore[attr-defined]
        return _redirect(request, participant)
    polls = parse_int(request.GET.get("polls", ""), "polls")
    context = {"participant": participant, "assignment": assignment, **failed_context(polls=polls)}
    return render(request, "annotation/participant/failed.html#poll", context)


@participant_view("GET", "HEAD")
def held(request: HttpRequest, participant: Participant, key: str) -> HttpResponse:
    """Answer the poll of the page that says the researchers look first: the way on, once they have decided."""
    assignment = get_assignment(participant, key)
    place = participant_place(participant=participant, at_hand=assignment)
    if not request.htmx or place.step != Step.HELD or place.assignment != assignment:  # type: ignore[attr-defined]
        return _redirect(request, participant)
    polls = parse_int(request.GET.get("polls", ""), "polls")
    context = {"participant": participant, "assignment": assignment, **held_context(assignment, polls=polls)}
    return render(request, "annotation/participant/held.html#poll", context)


@participant_view("POST")
def set_aside(request: HttpRequest, participant: Participant, key: str) -> HttpResponse:
    """Go on with another item when this one's outputs failed or are slow."""
    # Refused when the outputs have come in the meantime: then the page shows them.
    with suppress(NotAllowedNow):
        assignment_set_aside(assignment=get_assignment(participant, key))
    return to_page(participant)


def _form(request: HttpRequest) -> dict[str, Any]:
    return {
        "text": posted_text(request, "text"),
        "version": parse_int(request.POST.get("version", ""), "version"),
        "tab": parse_uuid(request.POST.get("tab", ""), "tab"),
    }


def _fragment(request: HttpRequest, assignment: Assignment, *, status: int = 200, **extra: Any) -> HttpResponse:
    persona = assignment.persona
    context = {
        "advice": writing_advice(assignment.participant.study, request.POST.get("text", "")),
        "version": persona.draft_version,
        "saved_at": persona.draft_saved_at,
        "conflict": None,
        "is_fragment": True,
        **extra,
    }
    return render(request, "annotation/participant/write.html#draft", context, status=status)


def _redirect(request: HttpRequest, participant: Participant) -> HttpResponse:
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponseClientRedirect(reverse("annotation:participant", args=[participant.token]))
    return to_page(participant)
