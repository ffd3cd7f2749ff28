"""What helps to write a persona, on the page: what it is given, and what its form holds."""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from annotation.elicitation.questions import (
    MAX_ANSWER_LENGTH,
    ElicitationQuestionView,
    answer_field,
    question_views,
)
from annotation.errors import NotAllowedNow, ServiceError, StaleVersion
from annotation.http import parse_int, parse_uuid, posted_text
from annotation.models import Assignment, PersonaProposal
from annotation.services.elicitation import BoxDraft, KeptAnswers, answers_kept, answers_save, is_elicited
from annotation.services.proposals import proposal_pending, proposal_take


@dataclass(frozen=True)
class HelpOutcome:
    """What came of a button: a sentence that is in the box now, or waits for a choice, or what is wrong.

    `version` is that of the draft: to go on with where it `is_put`, to send with the choice where it is not.
    """

    sentence: str = ""
    is_put: bool = False
    is_proposal: bool = False
    version: int = 0
    answers_version: str = ""
    other_text: str | None = None  # what another tab has saved in the box
    other_answers: tuple[str, ...] | None = None  # and to the questions
    error: str = ""


@dataclass(frozen=True)
class WritingHelp:
    """The questions with their answers, and a proposal that nothing has been decided about."""

    questions: tuple[ElicitationQuestionView, ...]
    version: str
    saved_at: datetime | None
    proposal: str
    max_length: int = MAX_ANSWER_LENGTH
    outcome: HelpOutcome = field(default_factory=HelpOutcome)


def help_context(assignment: Assignment) -> dict[str, Any]:
    """Return what the writing page adds in the condition `elicited`; nothing in others, which ask no question."""
    return {"help": writing_help(assignment, answers_kept(assignment.persona))} if is_elicited(assignment) else {}


def writing_help(assignment: Assignment, kept: KeptAnswers, *, typed: Mapping[str, str] | None = None) -> WritingHelp:
    """Return the help as it stands; `typed` is what a form held that could not be kept."""
    pending = proposal_pending(assignment.persona)
    shown = kept.answers if typed is None else typed
    return WritingHelp(
        questions=question_views(assignment.participant.study.elicitation, shown),
        version=kept.version,
        saved_at=kept.saved_at,
        proposal=pending.text if pending else "",
    )


def with_outcome(given: WritingHelp, outcome: HelpOutcome) -> WritingHelp:
    """Return the help with what came of a button."""
    return replace(given, outcome=outcome)


def typed_answers(request: HttpRequest, assignment: Assignment) -> dict[str, str]:
    """Return the answers in a form by question."""
    questions = assignment.participant.study.elicitation.get("questions", [])
    return {question["key"]: posted_text(request, answer_field(question["key"])) for question in questions}


def typed_box(request: HttpRequest) -> BoxDraft:
    """Return what a form holds of the box; the version of a choice to replace it is newer than that of the page."""
    version = request.POST.get("replace") or request.POST.get("version", "")
    text = posted_text(request, "text")
    return BoxDraft(text, parse_int(version, "version"), _tab(request))


def answers_keep(request: HttpRequest, assignment: Assignment) -> KeptAnswers:
    """Keep the answers in a form. Raises what `answers_save` raises."""
    return answers_save(
        assignment=assignment,
        answers=typed_answers(request, assignment),
        version=request.POST.get("answers_version", ""),
        tab=_tab(request),
    )


def helped_form(request: HttpRequest, assignment: Assignment, form: dict[str, Any]) -> dict[str, Any]:
    """Return the form of a persona that is sent, whose text is the proposal where that is accepted.

    Answers on it are kept; those that another tab has given since stay, since the persona is what is sent.
    """
    if not is_elicited(assignment):
        return form
    with suppress(ServiceError):
        answers_keep(request, assignment)
    proposal = proposal_pending(assignment.persona) if "accept" in request.POST else None
    if proposal is None:
        return form
    box = BoxDraft(proposal.text, form["version"], form["tab"])
    with suppress(StaleVersion, NotAllowedNow):  # sending it says so again
        proposal_take(assignment=assignment, decision=PersonaProposal.Decision.ACCEPTED, box=box)
    return {**form, "text": proposal.text}


def _tab(request: HttpRequest) -> uuid.UUID:
    return parse_uuid(request.POST.get("tab", ""), "tab")
