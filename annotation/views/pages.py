"""Rendering the participant's page: which template stands for a step, and what it is given."""

import uuid
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from annotation.blinding import practice_view, task_view
from annotation.flow import WORKING, Step
from annotation.models import Assignment, Output, Participant, Rating
from annotation.persona_advice import persona_advice
from annotation.prompts_display import split_turns
from annotation.recruitment import completion_url, platform_code
from annotation.services.personas import MAX_PERSONA_LENGTH
from annotation.services.places import Place
from annotation.units import planned_assignments

# After this the waiting page offers to go on with something else.
PATIENCE = timedelta(minutes=2)


def render_place(
    request: HttpRequest, participant: Participant, place: Place, *, status: int = 200, **extra: Any
) -> HttpResponse:
    """Render the page of a step. `extra` adds what a refused form has to say."""
    context = {
        "study": participant.study,
        "participant": participant,
        "step": place.step.value,
        "assignment": place.assignment,
        **_progress(participant, place),
        **_platform(participant),
        **_context(participant, place),
        **extra,
    }
    return render(request, f"annotation/participant/{place.step}.html", context, status=status)


def _context(participant: Participant, place: Place) -> dict[str, Any]:
    if place.step == Step.PRACTICE:
        return {"task": practice_view(participant.study, participant.practice_done, {})}
    if place.step == Step.RATE and place.assignment:
        return rate_context(place.assignment)
    if place.step == Step.WRITE and place.assignment:
        return write_context(place.assignment)
    if place.step == Step.WAIT and place.assignment:
        return wait_context(place.assignment)
    return {}


def _platform(participant: Participant) -> dict[str, Any]:
    """The code that the participant's state has for the platform, where there is one."""
    state = Participant.PlatformState(participant.platform_state)
    code = platform_code(participant.study.recruitment, state)
    return {"platform_code": code, "platform_url": completion_url(code)} if code else {}


def _progress(participant: Participant, place: Place) -> dict[str, Any]:
    if place.step not in WORKING or place.assignment is None:
        return {}
    done = participant.assignments.filter(state="completed").count()
    return {"part_number": done + 1, "part_total": planned_assignments(participant)}


def write_context(assignment: Assignment) -> dict[str, Any]:
    """What the writing page shows, from the draft as it is stored."""
    persona = assignment.persona
    return {
        "turns": split_turns(persona.item.prompt),
        "warning": persona.item.warning,
        "text": persona.text,
        "version": persona.draft_version,
        "saved_at": persona.draft_saved_at,
        "conflict": None,
        "tab": uuid.uuid4(),
        "visit": uuid.uuid4(),
        "advice": persona_advice(persona.text),
        "max_length": MAX_PERSONA_LENGTH,
    }


def wait_context(assignment: Assignment) -> dict[str, Any]:
    """How far the outputs are. Counts requests of others, never which of the two outputs is done."""
    outputs = [output for output in assignment.persona.outputs.all() if output.sample == 0]
    first = min(output.requested_at for output in outputs)
    waiting = Output.objects.filter(
        state=Output.State.REQUESTED, persona__item__study_id=assignment.participant.study_id
    )
    ahead = waiting.filter(requested_at__lt=first).values("persona_id").distinct().count()
    started = any(output.lease_until or output.state == Output.State.READY for output in outputs)
    return {
        "ahead": ahead,
        "started": started,
        "stage": 2 if started else 1,
        "is_slow": timezone.now() - first > PATIENCE,
    }


def rate_context(assignment: Assignment) -> dict[str, Any]:
    """What the rating page shows: the blinded task with its current answers."""
    ratings = Rating.objects.filter(slot__assignment=assignment, superseded_by__isnull=True)
    return {"task": task_view(assignment, list(ratings)), "visit": uuid.uuid4()}
