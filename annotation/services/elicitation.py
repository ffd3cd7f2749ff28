"""Keep answers to the questions about a person, and put the sentence that they make into the box."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.elicitation.questions import MAX_ANSWER_LENGTH
from annotation.elicitation.sentences import assembled_sentence
from annotation.errors import NotAllowedNow, ServiceError, StaleVersion
from annotation.fields import is_blank
from annotation.models import Assignment, ElicitationAnswer, Persona
from annotation.services.personas import persona_draft_save
from annotation.services.text import answer_text
from annotation.services.touch import assignment_touch

NOTHING_KEPT = ""


@dataclass(frozen=True)
class KeptAnswers:
    """The answers of a part by question, as they stand, and the page load that saved last.

    `version` names this state: each save gives it another.
    """

    answers: dict[str, str]
    saved_at: datetime | None = None
    tab: uuid.UUID | None = None

    @property
    def version(self) -> str:
        """What a page that has seen this state sends along."""
        return self.saved_at.isoformat() if self.saved_at else NOTHING_KEPT


@dataclass(frozen=True)
class BoxDraft:
    """What is in the box of a page: the text, the version that the page has seen, and the page load."""

    text: str
    version: int
    tab: uuid.UUID


def is_elicited(assignment: Assignment) -> bool:
    """Whether questions stand above the box."""
    return assignment.persona.condition == Persona.Condition.ELICITED


def answers_kept(persona: Persona) -> KeptAnswers:
    """Return the answers of a part as they stand."""
    rows = list(ElicitationAnswer.objects.filter(persona=persona).order_by("saved_at"))
    answers = {row.key: row.text for row in rows}
    return KeptAnswers(answers, rows[-1].saved_at, rows[-1].tab) if rows else KeptAnswers(answers)


def answers_save(*, assignment: Assignment, answers: Mapping[str, str], version: str, tab: uuid.UUID) -> KeptAnswers:
    """Keep the answers exactly as typed. Sent twice it changes nothing.

    `version` is that of what the page has seen, `tab` names the page load, which never conflicts with itself.

    Raises:
        ServiceError: an answer is too long, cannot be stored, or is none of the question's options.
        StaleVersion: another tab saved other answers since; `current` is those.
        NotAllowedNow: the persona has been submitted, or the part cannot be worked on.
    """
    given = _checked(assignment, answers)
    with transaction.atomic():
        assignment_touch(assignment=assignment)
        # From here on no other request for this assignment runs; see rating_save.
        if Persona.objects.filter(pk=assignment.persona_id, submitted_at__isnull=False).exists():
            raise NotAllowedNow(_("This persona has been submitted already and cannot be changed."))
        kept = answers_kept(assignment.persona)
        changed = {key: text for key, text in given.items() if text != kept.answers.get(key, "")}
        if not changed:
            return kept
        if version != kept.version and tab != kept.tab:
            raise StaleVersion(_("Another tab or device saved other answers to these questions."), current=kept)
        for key, text in changed.items():
            ElicitationAnswer.objects.update_or_create(
                persona=assignment.persona, key=key, defaults={"text": text, "tab": tab}
            )
        return answers_kept(assignment.persona)


def sentence_of(assignment: Assignment, kept: KeptAnswers) -> str:
    """Return the sentence that the answers make.

    Raises:
        ServiceError: no question has been answered.
    """
    sentence = assembled_sentence(assignment.participant.study.elicitation["questions"], kept.answers)
    if not sentence:
        raise ServiceError(_("Answer at least one of the questions first, or write in the box yourself."))
    return sentence


def may_replace(persona: Persona, text: str) -> bool:
    """Whether a text in the box is nobody's: blank, or what was last put there by us."""
    return is_blank(text) or text == persona.offered_text


def sentence_put(*, assignment: Assignment, sentence: str, source: Persona.WrittenAs, box: BoxDraft) -> Persona:
    """Make a sentence the draft, and remember that it was offered and how it was made; return the persona.

    Raises what `persona_draft_save` raises.
    """
    with transaction.atomic():
        persona = persona_draft_save(assignment=assignment, text=sentence, version=box.version, tab=box.tab)
        persona.offered_text, persona.written_as = sentence, source
        persona.save(update_fields=["offered_text", "written_as"])
    return persona


def _checked(assignment: Assignment, answers: Mapping[str, str]) -> dict[str, str]:
    if not is_elicited(assignment):
        raise ServiceError(_("No questions are asked here."))
    given = {}
    for question in assignment.participant.study.elicitation["questions"]:
        text = answers.get(question["key"], "")
        if len(text) > MAX_ANSWER_LENGTH:
            raise ServiceError(
                _("An answer is %(length)s characters long; at most %(most)s can be kept.")
                % {"length": len(text), "most": MAX_ANSWER_LENGTH}
            )
        if text and question["options"] and text not in question["options"]:
            raise ServiceError(
                _("“%(question)s” has no answer “%(answer)s”; choose one of those on the page.")
                % {"question": question["question"], "answer": text[:80]}
            )
        given[question["key"]] = answer_text(text)
    return given
