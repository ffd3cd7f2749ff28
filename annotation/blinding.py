"""What templates are given: texts, positions and questions, in frozen dataclasses, and nothing else.

No arm, system, output key, data set or origin can reach a participant's page, because none of these classes holds one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from string import ascii_uppercase
from typing import Any
from uuid import UUID

from django.http import QueryDict
from django.utils.translation import gettext as _

from annotation.markings import Marking
from annotation.models import Aspect, Assignment, Followup, Rating, Slot, Study
from annotation.prompts_display import split_turns
from annotation.questions import aspect_fits, markings_among
from annotation.questionviews import QuestionView, asked_among, in_step, question_view, with_markings, with_places
from annotation.services.followups import asks_followup, followup_version
from annotation.steps import has_two_steps
from annotation.study_texts import aspects_shown, study_shown, warning_shown


@dataclass(frozen=True)
class FollowupView:
    """What may be added to the answers about one slot: chips (as sent, in words, whether chosen), and a text."""

    slot_key: str
    about: str
    chips_name: str
    chips: tuple[tuple[str, str, bool], ...]
    text_name: str
    version_name: str
    question: str
    text: str
    version: str
    saved_at: datetime | None
    is_required: bool = False

    @property
    def name(self) -> str:
        """The field that has to be filled in."""
        return self.text_name

    @property
    def title(self) -> str:
        """What it is called in the list of what is missing."""
        return _("Remark")

    @property
    def is_answered(self) -> bool:
        """Whether nothing is missing here."""
        return bool(self.text.strip()) or not self.is_required


@dataclass(frozen=True)
class ResponseView:
    """One response under its letter, with the questions asked about it."""

    letter: str
    text: str
    questions: tuple[QuestionView, ...]
    followup: FollowupView | None = None

    @property
    def is_marked(self) -> bool:
        """Whether passages of it are marked, so that the page has to know where they stand."""
        return any(question.marking for question in self.questions)


@dataclass(frozen=True)
class ImageView:
    """The image of a prompt: the hash in its address, what it shows in words, and its size."""

    sha256: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class TaskView:
    """Everything on a rating page.

    `step` is 0 in studies whose questions are asked all at once. In step 1 there is no persona here, in step 2 the
    answers of step 1 are fixed.
    """

    turns: tuple[tuple[str, str], ...]
    persona: str
    is_author: bool
    warning: str
    responses: tuple[ResponseView, ...]
    comparisons: tuple[QuestionView, ...]
    about_persona: tuple[QuestionView, ...] = ()
    checks: tuple[QuestionView, ...] = ()
    persona_followup: FollowupView | None = None
    language: str = ""
    image: ImageView | None = None
    step: int = 0

    @property
    def questions(self) -> tuple[QuestionView, ...]:
        """All questions in the order they stand on the page."""
        of_responses = tuple(q for response in self.responses for q in response.questions)
        return of_responses + self.comparisons + self.about_persona + self.checks

    @property
    def is_marked(self) -> bool:
        """Whether passages are marked on this page."""
        return any(response.is_marked for response in self.responses)

    @property
    def followups(self) -> tuple[FollowupView, ...]:
        """What may be added, in the order it stands on the page."""
        found = (*(response.followup for response in self.responses), self.persona_followup)
        return tuple(followup for followup in found if followup)

    @property
    def asked(self) -> tuple[QuestionView | FollowupView, ...]:
        """What has to be answered, and can be."""
        open_ones = (question for question in self.questions if not question.is_fixed)
        return (*open_ones, *(followup for followup in self.followups if followup.is_required))

    @property
    def missing(self) -> tuple[QuestionView | FollowupView, ...]:
        """What has no answer yet."""
        return tuple(one for one in self.asked if not one.is_answered)


def task_view(assignment: Assignment, ratings: Sequence[Rating], followups: Sequence[Followup] = ()) -> TaskView:
    """Build the rating page of an assignment from its current ratings and what was added to them."""
    study, persona = assignment.participant.study, assignment.persona
    is_author = persona.author_id == assignment.participant_id
    slots, aspects = sorted(assignment.slots.all(), key=lambda slot: slot.position), aspects_shown(study)
    answers = {(rating.slot_id, rating.aspect_id): rating for rating in ratings}
    step = step_of(aspects, is_shown=assignment.persona_shown_at is not None)
    questions = partial(_questions, aspects, answers, markings_among(aspects, ratings), is_author, step)
    added = {followup.slot_id: followup for followup in followups}

    def of_kind(kind: Slot.Kind, about: str) -> tuple[QuestionView, ...]:
        return tuple(question for slot in slots if slot.kind == kind for question in questions(slot, about))

    def followup(slot: Slot, about: str) -> FollowupView | None:
        return None if step == 1 else _followup(study, slot, about, added.get(slot.pk))

    shown = [slot for slot in slots if slot.kind == Slot.Kind.OUTPUT and slot.output]
    return TaskView(
        turns=tuple(split_turns(persona.item.prompt)),
        persona="" if step == 1 else persona.text,
        is_author=is_author,
        warning=warning_shown(study, persona.item),
        language=persona.item.language,
        image=image_view(persona.item.image),
        step=step,
        responses=tuple(
            ResponseView(
                letter,
                slot.output.text if slot.output else "",
                questions(slot, response_title(letter)),
                followup(slot, response_title(letter)),
            )
            for letter, slot in zip(ascii_uppercase, shown, strict=False)
        ),
        comparisons=of_kind(Slot.Kind.PAIR, all_responses(len(shown))),
        about_persona=of_kind(Slot.Kind.PERSONA, _("Persona")),
        checks=of_kind(Slot.Kind.CHECK, _("This page")),
        persona_followup=next(
            (followup(slot, _("The persona")) for slot in slots if slot.kind == Slot.Kind.PERSONA), None
        ),
    )


def step_of(aspects: Sequence[Aspect], *, is_shown: bool) -> int:
    """Return which of two steps a page is in, 0 in a study of one; `is_shown` says whether the persona has been."""
    return (2 if is_shown else 1) if has_two_steps(aspects) else 0


def _questions(
    aspects: Sequence[Aspect],
    answers: Mapping[tuple[int, int], Rating],
    markings: Mapping[UUID, tuple[Marking, ...]],
    is_author: bool,
    step: int,
    slot: Slot,
    about: str,
) -> tuple[QuestionView, ...]:
    standing = [(aspect, answers.get((slot.pk, aspect.pk))) for aspect in aspects if aspect_fits(aspect, slot)]
    asked = asked_among(
        question_view(
            aspect, slot.key, about, is_author, rating, markings=markings.get(rating.pk, ()) if rating else ()
        )
        for aspect, rating in standing
    )
    return in_step(asked, before_persona=step == 1) if step else asked


def practice_view(study: Study, index: int, answers: dict[str, int], *, is_shown: bool = False) -> TaskView:
    """Build the page of a practice item; `answers` (field name to value) are shown again and stored nowhere.

    `is_shown` is for the second of two steps.
    """
    item = study_shown(study).practice[index]
    aspects = aspects_shown(study)
    step = step_of(aspects, is_shown=is_shown)

    def questions(slot_key: str, about: str, *kinds: Aspect.Kind) -> tuple[QuestionView, ...]:
        asked = asked_among(
            question_view(aspect, slot_key, about, False, None, answers) for aspect in aspects if aspect.kind in kinds
        )
        return in_step(asked, before_persona=step == 1) if step else asked

    return TaskView(
        turns=tuple(split_turns(item["prompt"])),
        persona="" if step == 1 else item["persona"],
        is_author=False,
        warning="",
        image=image_view(item.get("image")),
        step=step,
        responses=tuple(
            ResponseView(letter, text, questions(f"practice{letter}", response_title(letter), *Aspect.OF_ONE))
            for letter, text in zip(ascii_uppercase, item["responses"], strict=False)
        ),
        comparisons=tuple(
            question
            for kind in Aspect.OF_ALL
            for question in questions("practice", all_responses(len(item["responses"])), kind)
        ),
        about_persona=questions("practice", _("Persona"), Aspect.Kind.PERSONA),
    )


def with_sent(task: TaskView, data: QueryDict, disputed: Collection[tuple[str, str]] = ()) -> TaskView:
    """Return a page with what a form holds and no answer has become of: places of an order, and passages.

    `disputed` are questions, by slot and aspect, with another answer that has been saved meanwhile.
    """

    def filled(question: QuestionView) -> QuestionView:
        is_disputed = (question.slot_key, question.aspect_key) in disputed
        return with_markings(question, data, is_disputed=is_disputed)

    responses = (replace(one, questions=tuple(map(filled, one.questions))) for one in task.responses)
    return replace(
        task,
        responses=tuple(responses),
        comparisons=tuple(with_places(question, data) for question in task.comparisons),
    )


def image_view(image: Mapping[str, Any] | None) -> ImageView | None:
    """Return the image of a prompt as it is stored with it, if it has one."""
    return ImageView(**image) if image else None


def response_title(letter: str) -> str:
    """Return what a response is called on the page."""
    return _("Response %(letter)s") % {"letter": letter}


def all_responses(count: int) -> str:
    """Return what all responses of a page together are called."""
    return _("Both responses") if count == 2 else _("All responses")


def chips_name(slot_key: str) -> str:
    """Return the form field of a slot's chips."""
    return f"reasons-{slot_key}"


def text_name(slot_key: str) -> str:
    """Return the form field of a slot's text."""
    return f"words-{slot_key}"


def version_name(slot_key: str) -> str:
    """Return the form field of the version that the page has seen of both."""
    return f"version-words-{slot_key}"


def _followup(study: Study, slot: Slot, about: str, kept: Followup | None) -> FollowupView | None:
    if not asks_followup(study, slot):
        return None
    chosen, shown = kept.chips if kept else [], study_shown(study).followup
    return FollowupView(
        slot_key=slot.key,
        about=about,
        chips_name=chips_name(slot.key),
        chips=tuple(
            (chip, words, chip in chosen) for chip, words in zip(study.followup["chips"], shown["chips"], strict=True)
        ),
        text_name=text_name(slot.key),
        version_name=version_name(slot.key),
        question=shown["text"],
        text=kept.text if kept else "",
        version=followup_version(kept),
        saved_at=kept.saved_at if kept and kept.pk else None,  # typed and refused: not saved
        is_required=bool(study.followup.get("required")),
    )
