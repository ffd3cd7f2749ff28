"""Rendering the participant's page: which template stands for a step, and what it is given."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from annotation.blinding import TaskView, image_view, practice_view, task_view
from annotation.controls.quiz import quiz_view
from annotation.flow import WORKING, Step
from annotation.holding import hold_stage
from annotation.languages import language_choices, languages_of
from annotation.making import outlook
from annotation.models import Assignment, Followup, Participant, PersonaHold, QuestionnaireAnswer
from annotation.prepared import KeptQuery
from annotation.prompts_display import split_turns
from annotation.questionnaires import survey_view
from annotation.questions import standing_ratings
from annotation.recruitment import completion_url, platform_code
from annotation.remaining import minutes_left
from annotation.screening import writing_advice
from annotation.services.personas import MAX_PERSONA_LENGTH
from annotation.services.places import Place
from annotation.services.questionnaires import questionnaire_answers
from annotation.services.quiz import quiz_last_answers
from annotation.services.text import MAX_TEXT_LENGTH
from annotation.study_texts import study_shown, warning_shown
from annotation.units import assignments_at_most
from annotation.views.writing_help import help_context

_SURVEYS = {
    Step.SURVEY_BEFORE: QuestionnaireAnswer.Page.BEFORE,
    Step.SURVEY_AFTER: QuestionnaireAnswer.Page.AFTER,
}
_BEFORE_CONSENT = frozenset({Step.CONSENT, Step.DECLINED})
# After this the waiting page offers to go on with something else.
PATIENCE = timedelta(minutes=2)
# The waiting page asks often as long as the responses may come any moment.
POLLS = ((timedelta(seconds=20), 1), (PATIENCE, 2), (timedelta.max, 5))
# Responses that could not be made come only after somebody has mended the cause.
FIRST_POLL_SECONDS = 5
LAST_POLL_SECONDS = 60


def render_place(
    request: HttpRequest, participant: Participant, place: Place, *, status: int = 200, **extra: Any
) -> HttpResponse:
    """Render the page of a step. `extra` adds what a refused form has to say."""
    context = {
        "study": study_shown(participant.study),
        "participant": participant,
        "step": place.step.value,
        "assignment": place.assignment,
        **_choices(participant, place),
        **_progress(participant, place),
        **_platform(participant),
        **_context(participant, place),
        **extra,
    }
    return render(request, f"annotation/participant/{place.step}.html", context, status=status)


def _context(participant: Participant, place: Place) -> dict[str, Any]:
    if place.step == Step.PRACTICE:
        return {"task": practice_view(participant.study, participant.practice_done, {})}
    if place.step == Step.QUIZ:
        return quiz_context(participant)
    if place.step in _SURVEYS:
        return questionnaire_context(participant, _SURVEYS[place.step])
    if place.step == Step.RATE and place.assignment:
        return rate_context(place.assignment, is_new=place.is_new)
    if place.step == Step.WRITE and place.assignment:
        return write_context(place.assignment)
    if place.step == Step.WARNING and place.assignment:
        return {"warning": warning_shown(participant.study, place.assignment.persona.item)}
    if place.step == Step.WAIT and place.assignment:
        return wait_context(place.assignment)
    if place.step == Step.FAILED:
        return failed_context(polls=0)
    if place.step == Step.HELD and place.assignment:
        return held_context(place.assignment, polls=0)
    return {}


def _choices(participant: Participant, place: Place) -> dict[str, Any]:
    """The study's languages while one can be chosen, and its reasons for skipping: as they are sent, and in words."""
    study = participant.study
    choices = language_choices(languages_of(study)) if place.step in _BEFORE_CONSENT else []
    reasons = zip(study.skip_reasons, study_shown(study).skip_reasons, strict=True)
    return {"choices": choices, "skip_reasons": list(reasons)}


def _platform(participant: Participant) -> dict[str, Any]:
    """The code that the participant's state has for the platform, where there is one."""
    state = Participant.PlatformState(participant.platform_state)
    code = platform_code(participant.study.recruitment, state)
    return {"platform_code": code, "platform_url": completion_url(code)} if code else {}


_DONE = KeptQuery(
    lambda participant: (
        Assignment.objects.filter(participant=participant, state=Assignment.State.COMPLETED)
        .order_by()
        .values_list("created_at", "completed_at")
    ),
    numbers=("participant",),
)


def _progress(participant: Participant, place: Place) -> dict[str, Any]:
    if place.step not in WORKING or place.assignment is None:
        return {}
    done, total = _DONE.rows(participant=participant.pk), assignments_at_most(participant.study)
    return {
        "part_number": len(done) + 1,
        "part_total": total,
        "minutes_left": minutes_left(participant.study.pace, done, max(total - len(done), 1)),
    }


def write_context(assignment: Assignment) -> dict[str, Any]:
    """What the writing page shows, from the draft as it is stored."""
    persona = assignment.persona
    return {
        "turns": split_turns(persona.item.prompt),
        "language": persona.item.language,
        "image": image_view(persona.item.image),
        "warning": warning_shown(assignment.participant.study, persona.item),
        "text": persona.text,
        "version": persona.draft_version,
        "saved_at": persona.draft_saved_at,
        "conflict": None,
        "tab": uuid.uuid4(),
        "visit": uuid.uuid4(),
        "advice": writing_advice(assignment.participant.study, persona.text),
        "max_length": MAX_PERSONA_LENGTH,
        **help_context(assignment),
    }


def wait_context(assignment: Assignment) -> dict[str, Any]:
    """How far the outputs are, by the queue that they stand in; never which of the two outputs is done."""
    outputs = [output for output in assignment.persona.outputs.all() if output.sample == 0]
    waited = timezone.now() - min(output.requested_at for output in outputs)
    found = outlook(study=assignment.participant.study, outputs=outputs)
    return {
        "outlook": found,
        "stage": 2 if found.started else 1,
        "is_slow": waited > PATIENCE or bool(found.trouble),
        "poll_seconds": next(seconds for limit, seconds in POLLS if waited < limit),
    }


def failed_context(*, polls: int) -> dict[str, Any]:
    """When the page without responses asks again whether there are some: more and more seldom."""
    seconds = min(FIRST_POLL_SECONDS * 2 ** min(polls, 10), LAST_POLL_SECONDS)
    return {"polls": polls + 1, "poll_seconds": seconds}


def held_context(assignment: Assignment, *, polls: int) -> dict[str, Any]:
    """What is looked at first, the text or the responses; never what was found, nor in which of them."""
    return {**failed_context(polls=polls), "is_own_text": hold_stage(assignment) == PersonaHold.Stage.PERSONA}


def rate_context(
    assignment: Assignment, typed: Sequence[Followup] | None = None, *, is_new: bool = False
) -> dict[str, Any]:
    """What the rating page shows: the blinded task with its current answers. `typed` is what a refused form added."""
    if is_new:  # nothing can have been answered
        return _rate_context(task_view(assignment, []))
    ratings = standing_ratings(assignment)
    kept = Followup.objects.filter(slot__assignment=assignment) if assignment.participant.study.followup else []
    return _rate_context(task_view(assignment, ratings, list(kept) if typed is None else typed))


def _rate_context(task: TaskView) -> dict[str, Any]:
    return {"task": task, "visit": uuid.uuid4(), "max_text_length": MAX_TEXT_LENGTH}


def quiz_context(participant: Participant, sent: list[int | None] | None = None) -> dict[str, Any]:
    """What the quiz page shows; `sent` are the answers of a form that lacked some."""
    last = quiz_last_answers(participant)
    return {
        "quiz": quiz_view(study_shown(participant.study).quiz, attempt=participant.quiz_attempts, last=last, sent=sent)
    }


def questionnaire_context(
    participant: Participant,
    page: QuestionnaireAnswer.Page,
    *,
    answers: dict[str, str] | None = None,
    missing: list[str] | None = None,
) -> dict[str, Any]:
    """What a questionnaire page shows: the answers kept, or those of a form that was refused."""
    shown = questionnaire_answers(participant, page) if answers is None else answers
    questions = participant.study.questionnaires.get(page, [])
    words = study_shown(participant.study).questionnaires.get(page, [])
    survey = survey_view(page, questions, shown, missing or [], words=words)
    return {"survey": survey, "max_text_length": MAX_TEXT_LENGTH}
