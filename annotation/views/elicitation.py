"""Help with writing a persona: answers as they are typed, putting them together, and deciding about a proposal."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from annotation.errors import NotAllowedNow, ServiceError, StaleVersion
from annotation.flow import Step
from annotation.http import get_assignment, participant_view, to_page
from annotation.models import Assignment, Participant, Persona, PersonaProposal
from annotation.screening import writing_advice
from annotation.services.elicitation import (
    BoxDraft,
    KeptAnswers,
    answers_kept,
    is_elicited,
    may_replace,
    sentence_of,
    sentence_put,
)
from annotation.services.personas import persona_draft_save
from annotation.services.places import participant_place
from annotation.services.proposals import proposal_decide, proposal_pending, proposal_take
from annotation.views.pages import render_place
from annotation.views.writing_help import (
    HelpOutcome,
    answers_keep,
    typed_answers,
    typed_box,
    with_outcome,
    writing_help,
)

_Decision = PersonaProposal.Decision


@participant_view("POST")
def answers(request: HttpRequest, participant: Participant, key: str) -> JsonResponse:
    """Keep what has been answered so far. JSON out: 200 saved, 409 another's stand, 422 refused, 403 over."""
    assignment = get_assignment(participant, key)
    try:
        kept = answers_keep(request, assignment)
    except StaleVersion as error:
        assert isinstance(error.current, KeptAnswers)
        return JsonResponse({"message": str(error), **_saved(error.current)}, status=409)
    except NotAllowedNow as error:
        return JsonResponse({"message": str(error)}, status=403)
    except ServiceError as error:
        return JsonResponse({"message": str(error)}, status=422)
    return JsonResponse(_saved(kept))


@participant_view("POST")
def assemble(request: HttpRequest, participant: Participant, key: str) -> HttpResponse:
    """Put the answers together into the box, unless that holds a text of the participant's own; then ask first."""
    assignment = get_assignment(participant, key)
    if not is_elicited(assignment):  # no page of ours sends this
        return _lead_on(request, participant)
    try:
        kept = answers_keep(request, assignment)
        sentence = sentence_of(assignment, kept)
        return _offer(request, assignment, HelpOutcome(sentence, answers_version=kept.version))
    except StaleVersion as error:
        assert isinstance(error.current, KeptAnswers)
        outcome = HelpOutcome(
            answers_version=error.current.version,
            other_answers=tuple(filter(None, error.current.answers.values())),
        )
        return _answer(request, assignment, outcome, status=409)
    except NotAllowedNow:
        return _lead_on(request, participant)
    except ServiceError as error:
        return _answer(request, assignment, HelpOutcome(error=str(error)), status=422)


@participant_view("POST")
def proposal(request: HttpRequest, participant: Participant, key: str) -> HttpResponse:
    """Put the proposed persona into the box, to be edited, or put it away; what is on the form is kept."""
    assignment = get_assignment(participant, key)
    pending = proposal_pending(assignment.persona)
    if pending is None:
        return _lead_on(request, participant)
    try:
        with suppress(StaleVersion):
            answers_keep(request, assignment)
        if request.POST.get("decision") == _Decision.EDITED:
            return _offer(request, assignment, HelpOutcome(pending.text, is_proposal=True))
        with suppress(StaleVersion):
            _keep_box(assignment, typed_box(request))
        proposal_decide(assignment=assignment, decision=_Decision.REFUSED)
    except NotAllowedNow:
        return _lead_on(request, participant)
    except ServiceError as error:
        return _answer(request, assignment, HelpOutcome(error=str(error)), status=422)
    return _done(request, assignment, HelpOutcome(is_proposal=True))


def _offer(request: HttpRequest, assignment: Assignment, outcome: HelpOutcome) -> HttpResponse:
    """Put the sentence into the box, or ask whether it may replace what is there."""
    box = typed_box(request)
    try:
        if "replace" not in request.POST and not may_replace(assignment.persona, box.text):
            return _ask(request, assignment, outcome, _keep_box(assignment, box).draft_version)
        persona = _put(assignment, outcome, box)
    except StaleVersion as error:
        assert isinstance(error.current, Persona)
        theirs = error.current
        return _ask(request, assignment, outcome, theirs.draft_version, other_text=theirs.text, status=409)
    assignment.persona = persona
    return _done(request, assignment, replace(outcome, is_put=True, version=persona.draft_version))


def _put(assignment: Assignment, outcome: HelpOutcome, box: BoxDraft) -> Persona:
    if outcome.is_proposal:
        proposal_take(assignment=assignment, decision=_Decision.EDITED, box=box)
        assignment.persona.refresh_from_db()
        return assignment.persona
    source = Persona.WrittenAs.ELICITED
    return sentence_put(assignment=assignment, sentence=outcome.sentence, source=source, box=box)


def _keep_box(assignment: Assignment, box: BoxDraft) -> Persona:
    """Keep what is in the box: without JavaScript it is on this form only."""
    return persona_draft_save(assignment=assignment, text=box.text, version=box.version, tab=box.tab)


def _ask(
    request: HttpRequest,
    assignment: Assignment,
    outcome: HelpOutcome,
    version: int,
    *,
    other_text: str | None = None,
    status: int = 200,
) -> HttpResponse:
    return _answer(request, assignment, replace(outcome, version=version, other_text=other_text), status=status)


def _done(request: HttpRequest, assignment: Assignment, outcome: HelpOutcome) -> HttpResponse:
    if not request.htmx:  # type: ignore[attr-defined]
        return to_page(assignment.participant)
    return _answer(request, assignment, outcome)


def _answer(request: HttpRequest, assignment: Assignment, outcome: HelpOutcome, *, status: int = 200) -> HttpResponse:
    """Answer with what came of a button: a part of the page, or without JavaScript the page with all that it held."""
    typed = typed_answers(request, assignment)
    help = with_outcome(writing_help(assignment, answers_kept(assignment.persona), typed=typed), outcome)
    participant = assignment.participant
    if request.htmx:  # type: ignore[attr-defined]
        context = {"participant": participant, "assignment": assignment, "help": help, "is_fragment": True}
        return render(request, "annotation/participant/_elicitation.html#outcome", context, status=status)
    place = participant_place(participant=participant, at_hand=assignment)
    if place.step != Step.WRITE or place.assignment != assignment:
        return to_page(participant)
    box = typed_box(request)
    extra = {"text": box.text, "tab": box.tab, "advice": writing_advice(participant.study, box.text), "help": help}
    return render_place(request, participant, place, status=status, **extra)


def _lead_on(request: HttpRequest, participant: Participant) -> HttpResponse:
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponseClientRedirect(reverse("annotation:participant", args=[participant.token]))
    return to_page(participant)


def _saved(kept: KeptAnswers) -> dict[str, Any]:
    saved_at = kept.saved_at.isoformat() if kept.saved_at else None
    return {"answers": kept.answers, "version": kept.version, "saved_at": saved_at}
