"""One participant's way through a study: steps and their times, parts with every answer ever saved, what was added.

Codes only, as in exports: no link, and no id from outside.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

from django.db.models import IntegerField, OuterRef, Subquery, Sum
from django.utils.translation import gettext_noop

from annotation.models import (
    Aspect,
    Assignment,
    Event,
    Followup,
    Output,
    PageVisit,
    Participant,
    QuestionnaireAnswer,
    Rating,
    Slot,
)
from annotation.questionnaires import answer_label

# What researchers read for a step.
STEPS: dict[str, str] = {
    Event.Kind.CONSENTED: gettext_noop("agreed to take part"),
    Event.Kind.DECLINED: gettext_noop("declined"),
    Event.Kind.INSTRUCTED: gettext_noop("read the instructions"),
    Event.Kind.PRACTISED: gettext_noop("practised"),
    Event.Kind.ASSIGNED: gettext_noop("was handed a part"),
    Event.Kind.PERSONA_SUBMITTED: gettext_noop("submitted a persona"),
    Event.Kind.SHOWN: gettext_noop("saw the responses"),
    Event.Kind.ASSIGNMENT_COMPLETED: gettext_noop("finished a part"),
    Event.Kind.ASSIGNMENT_SET_ASIDE: gettext_noop("went on without a part's responses"),
    Event.Kind.ASSIGNMENT_SKIPPED: gettext_noop("skipped a part"),
    Event.Kind.CHECK_MISSED: gettext_noop("missed an attention check and was told"),
    Event.Kind.QUIZ_PASSED: gettext_noop("passed the quiz"),
    Event.Kind.QUIZ_FAILED: gettext_noop("failed a try at the quiz"),
    Event.Kind.SCREENED_OUT: gettext_noop("was screened out"),
    Event.Kind.RETURNED: gettext_noop("returned the study on the platform"),
    Event.Kind.TIMED_OUT: gettext_noop("ran out of time on the platform"),
    Event.Kind.REOPENED: gettext_noop("was let in again"),
    Event.Kind.COMPLETED: gettext_noop("finished"),
    Event.Kind.WITHDRAWN: gettext_noop("left the study"),
}
PERSONA_SHOWN = gettext_noop("was shown the persona, after the first step")


@dataclass(frozen=True)
class PassageShown:
    """A passage that an answer marks, with what its label says."""

    text: str
    label: str
    reason: str


@dataclass(frozen=True)
class AnswerShown:
    """One answer. `is_current` unless a later one replaced it."""

    aspect: str
    value: int
    label: str
    version: int
    saved_at: datetime
    is_current: bool
    passages: list[PassageShown] = field(default_factory=list)


@dataclass
class Rated:
    """What stood at one place of a page, and what was said about it."""

    kind: str
    position: int
    arm: str
    planted: str
    text: str
    answers: list[AnswerShown] = field(default_factory=list)
    chips: list[str] = field(default_factory=list)
    remark: str = ""


@dataclass(frozen=True)
class PartShown:
    """A part: the assignment with its persona and item, focused seconds, and what was rated."""

    assignment: Assignment
    persona_text: str
    is_author: bool
    seconds: float | None
    rated: list[Rated]


@dataclass(frozen=True)
class Way:
    """All of it."""

    events: list[tuple[datetime, str, str]]
    parts: list[PartShown]
    questionnaires: list[tuple[str, str, str, datetime]]
    quiz: list[tuple[str, str, bool, datetime]]


def participant_way(participant: Participant) -> Way:
    """Return the way of a participant, in as many queries for many parts as for few."""
    found, parts = participant.events.select_related("assignment").order_by("pk"), _parts(participant)
    events = [(event.at, STEPS[event.kind], _ordinal(event.assignment)) for event in found]
    shown = [(part.assignment.persona_shown_at, PERSONA_SHOWN, _ordinal(part.assignment)) for part in parts]
    return Way(
        events=sorted([*events, *((at, step, part) for at, step, part in shown if at)], key=itemgetter(0)),
        parts=parts,
        questionnaires=_questionnaires(participant),
        quiz=_quiz(participant),
    )


def _ordinal(assignment: Assignment | None) -> str:
    return str(assignment.ordinal) if assignment else ""


def _parts(participant: Participant) -> list[PartShown]:
    visits = PageVisit.objects.filter(assignment=OuterRef("pk"), phase=PageVisit.Phase.RATE).order_by()
    focused = visits.values("assignment").annotate(total=Sum("focused_ms")).values("total")
    assignments: Any = participant.assignments.select_related("persona__item", "repeat_of").annotate(
        focused=Subquery(focused, output_field=IntegerField())
    )
    rated = parts_rated(assignments)
    return [
        PartShown(
            assignment=assignment,
            persona_text=assignment.persona.text if assignment.persona.submitted_at else "",
            is_author=assignment.persona.author_id == participant.pk,
            seconds=assignment.focused / 1000 if assignment.focused else None,
            rated=rated[assignment.pk],
        )
        for assignment in assignments.order_by("ordinal")
    ]


def parts_rated(assignments: Any) -> defaultdict[int, list[Rated]]:
    """Return what was rated in each of these parts, by assignment, in the order of the page. Four queries."""
    slots = Slot.objects.filter(assignment__in=assignments).select_related("output__arm").order_by("position")
    found = {slot.pk: _rated(slot) for slot in slots}
    by_part: defaultdict[int, list[Rated]] = defaultdict(list)
    for slot in slots:
        by_part[slot.assignment_id].append(found[slot.pk])
    ratings = Rating.objects.filter(slot__in=list(found)).select_related("aspect").prefetch_related("passages")
    for rating in ratings.order_by("aspect__ordinal", "version"):
        found[rating.slot_id].answers.append(_answer(rating))
    for added in Followup.objects.filter(slot__in=list(found)):
        found[added.slot_id].chips, found[added.slot_id].remark = added.chips, added.text
    return by_part


def _rated(slot: Slot) -> Rated:
    output: Output | None = slot.output
    is_planted = bool(output and output.planted)
    return Rated(
        kind=slot.kind,
        position=slot.position,
        arm=output.arm.code if output and not is_planted else "",
        planted=output.planted if output else "",
        text=output.text if output else "",
    )


def _answer(rating: Rating) -> AnswerShown:
    aspect: Aspect = rating.aspect
    label = dict(aspect.options).get(rating.value, "")
    is_current = rating.superseded_by_id is None
    words = dict(zip(aspect.marking["labels"], aspect.labels, strict=True)) if aspect.is_span else {}
    passages = [
        PassageShown(passage.text, words.get(passage.label, ""), passage.reason) for passage in rating.passages.all()
    ]
    return AnswerShown(aspect.name, rating.value, label, rating.version, rating.saved_at, is_current, passages)


def _questionnaires(participant: Participant) -> list[tuple[str, str, str, datetime]]:
    asked = {
        (page, question["key"]): question
        for page, questions in participant.study.questionnaires.items()
        for question in questions
    }
    pages = dict(QuestionnaireAnswer.Page.choices)
    answers = participant.questionnaire_answers.exclude(page=QuestionnaireAnswer.Page.QUIZ).order_by("-page", "pk")
    found = []
    for answer in answers:
        question = asked[answer.page, answer.key]
        label = answer_label(question, answer.value)
        found.append((str(pages[answer.page]), question["question"], label or answer.value, answer.saved_at))
    return found


def _quiz(participant: Participant) -> list[tuple[str, str, bool, datetime]]:
    """Return (question, the option chosen, whether it is right, when) of each try, in order."""
    questions = participant.study.quiz.get("questions", [])
    found = []
    for answer in participant.questionnaire_answers.filter(page=QuestionnaireAnswer.Page.QUIZ).order_by("pk"):
        question, chosen = questions[int(answer.key.split(".")[1]) - 1], int(answer.value)
        found.append((
            question["question"], question["options"][chosen - 1], chosen == question["answer"], answer.saved_at,
        ))  # fmt: skip
    return found
