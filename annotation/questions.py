"""What an answer is held to: its place, its scale, and what stands as the answer so far."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Max

from annotation.markings import Marking
from annotation.models import Aspect, Assignment, Participant, Passage, Rating, Slot, Study
from annotation.prepared import KeptQuery
from annotation.steps import is_before_persona

_SLOT_OF = {
    Aspect.Kind.RATING: Slot.Kind.OUTPUT,
    Aspect.Kind.SPAN: Slot.Kind.OUTPUT,
    **dict.fromkeys(Aspect.OF_ALL, Slot.Kind.PAIR),
    Aspect.Kind.PERSONA: Slot.Kind.PERSONA,
    Aspect.Kind.CHECK: Slot.Kind.CHECK,
}


@dataclass(frozen=True)
class QuestionState:
    """One aspect of one slot. `value` is the answer that stands, None without one; `version` counts all there were.

    `markings` are the passages that the answer marks; None where the question is about something else.
    """

    slot_id: int
    position: int
    aspect_id: int
    name: str
    minimum: int
    maximum: int
    is_asked: bool
    version: int
    value: int | None
    decides: bool = False  # whether other questions are asked
    markings: tuple[Marking, ...] | None = None
    before_persona: bool = False
    persona_is_shown: bool = True

    @property
    def is_in_step(self) -> bool:
        """Whether it is asked now: before the persona is shown, or else since; in studies of one step always."""
        return self.persona_is_shown is not self.before_persona


@dataclass(frozen=True)
class AskedQuestion:
    """A question, and what decides whether it can be answered at this moment."""

    question: QuestionState
    assignment_id: int
    is_shown: bool
    participant_kind: Participant.Kind
    language: str
    study_state: Study.State
    assignment_hours: int


# Written out, since it runs at every click and Django would take as long to put it together as all the rest of a save.
_ASKED = """
    SELECT slot.id, slot.kind, slot.position,
           aspect.id, aspect.kind, aspect.name, aspect.minimum, aspect.maximum, aspect.part,
           assignment.id, assignment.ordinal, assignment.shown_at IS NOT NULL,
           participant.kind, participant.language, study.state, study.assignment_hours,
           COALESCE(rating.version, CASE WHEN aspect.asked_if <> '' THEN (
               SELECT MAX(ended.version) FROM annotation_rating ended
                WHERE ended.slot_id = slot.id AND ended.aspect_id = aspect.id) END),
           rating.value,
           EXISTS (SELECT 1 FROM annotation_aspect other
                    WHERE other.study_id = study.id AND other.asked_if = aspect.key),
           aspect.before_persona,
           assignment.persona_shown_at IS NOT NULL OR NOT EXISTS (
               SELECT 1 FROM annotation_aspect early WHERE early.study_id = study.id AND early.before_persona)
      FROM annotation_slot slot
      JOIN annotation_assignment assignment ON assignment.id = slot.assignment_id
      JOIN annotation_participant participant ON participant.id = assignment.participant_id
      JOIN annotation_study study ON study.id = participant.study_id
      JOIN annotation_aspect aspect ON aspect.study_id = study.id
      LEFT JOIN annotation_rating rating
             ON rating.slot_id = slot.id AND rating.aspect_id = aspect.id AND rating.superseded_by_id IS NULL
     WHERE slot.key = %s AND aspect.key = %s AND participant.token = %s AND participant.erased_at IS NULL
"""


def is_on_a_page(*, token: str, slot_key: str, aspect_key: str) -> bool:
    """Whether an address names a question that the participant has seen."""
    asked = asked_question(token=token, slot_key=slot_key, aspect_key=aspect_key)
    return asked is not None and asked.is_shown


def asked_question(*, token: str, slot_key: str, aspect_key: str) -> AskedQuestion | None:
    """Return the question that an address names, with its answer, in one statement; None if there is no such."""
    with connection.cursor() as cursor:
        cursor.execute(_ASKED, [slot_key, aspect_key, token])
        row = cursor.fetchone()
    if row is None:
        return None
    (
        slot_id, slot_kind, position, aspect_id, aspect_kind, name, minimum, maximum, part,
        assignment_id, ordinal, is_shown, participant_kind, language, state, hours, version, value, decides,
        before_persona, persona_is_shown,
    ) = row  # fmt: skip
    question = QuestionState(
        slot_id, position, aspect_id, name, minimum, maximum, _is_asked(aspect_kind, part, slot_kind, ordinal),
        version or 0, value, bool(decides), _standing_markings(aspect_kind, slot_id, aspect_id),
        bool(before_persona), bool(persona_is_shown),
    )  # fmt: skip
    return AskedQuestion(question, assignment_id, bool(is_shown), participant_kind, language, state, hours)


def _standing_markings(aspect_kind: str, slot_id: int, aspect_id: int) -> tuple[Marking, ...] | None:
    if aspect_kind != Aspect.Kind.SPAN:
        return None
    stands = Passage.objects.filter(rating__slot=slot_id, rating__aspect=aspect_id, rating__superseded_by__isnull=True)
    return tuple(_marking(passage) for passage in stands)


def markings_of(ratings: Iterable[Rating]) -> dict[UUID, tuple[Marking, ...]]:
    """Return the passages that these answers mark, by answer, in the order of the text."""
    found: dict[UUID, tuple[Marking, ...]] = {}
    for passage in Passage.objects.filter(rating__in=[rating.pk for rating in ratings]):
        found[passage.rating_id] = (*found.get(passage.rating_id, ()), _marking(passage))
    return found


def markings_among(aspects: Iterable[Aspect], ratings: Iterable[Rating]) -> dict[UUID, tuple[Marking, ...]]:
    """Return the same of those of the answers that mark passages; it asks the database only where some can."""
    spans = {aspect.pk for aspect in aspects if aspect.is_span}
    marking = [rating for rating in ratings if rating.aspect_id in spans]
    return markings_of(marking) if marking else {}


def _marking(passage: Passage) -> Marking:
    return Marking(passage.start, passage.end, passage.text, passage.label, passage.reason)


_STANDING = KeptQuery(
    lambda assignment: Rating.objects.filter(slot__assignment=assignment, superseded_by__isnull=True),
    numbers=("assignment",),
)


def standing_ratings(assignment: Assignment) -> list[Rating]:
    """Return the answers of an assignment that count.

    Among them, without a value, stand those to questions that are no longer asked: their versions are counted on.
    """
    standing = list(_STANDING.objects(assignment=assignment.pk))
    conditional = [aspect.pk for aspect in assignment.participant.study.aspects.all() if aspect.asked_if]
    if not conditional:
        return standing
    known = {(rating.slot_id, rating.aspect_id) for rating in standing}
    answers = Rating.objects.filter(slot__assignment=assignment, aspect__in=conditional).order_by()
    ended = answers.values_list("slot", "aspect").annotate(last=Max("version"))
    return standing + [
        Rating(slot_id=slot, aspect_id=aspect, version=last)
        for slot, aspect, last in ended
        if (slot, aspect) not in known
    ]


def is_asked_after(aspect: Aspect, answers: Mapping[str, int | None]) -> bool:
    """Whether a question is asked once the others about the same thing, by key, are answered so."""
    return not aspect.asked_if or answers.get(aspect.asked_if) in aspect.asked_if_values


def questions_of(
    assignment: Assignment, aspects: Iterable[Aspect], ratings: Iterable[Rating]
) -> dict[tuple[str, str], QuestionState]:
    """Return every question of an assignment by the keys of slot and aspect, with the answers that stand."""
    aspects = list(aspects)
    standing = {(rating.slot_id, rating.aspect_id): rating for rating in ratings}
    markings = markings_among(aspects, standing.values())
    persona_is_shown, found = not is_before_persona(assignment), {}
    for slot in assignment.slots.all():
        for aspect in aspects:
            if _is_asked(aspect.kind, aspect.part, slot.kind, assignment.ordinal):
                rating = standing.get((slot.pk, aspect.pk))
                found[slot.key, aspect.key] = QuestionState(
                    slot.pk, slot.position, aspect.pk, aspect.name, aspect.minimum, aspect.maximum, True,
                    rating.version if rating else 0, rating.value if rating else None,
                    markings=(markings.get(rating.pk, ()) if rating else ()) if aspect.is_span else None,
                    before_persona=aspect.before_persona, persona_is_shown=persona_is_shown,
                )  # fmt: skip
    return found


def aspect_fits(aspect: Aspect, slot: Slot) -> bool:
    """Whether this question is asked about this slot; an attention check stands in one part only."""
    return _is_asked(aspect.kind, aspect.part, slot.kind, slot.assignment.ordinal)


def slot_kind_of(aspect_kind: str) -> Slot.Kind:
    """Return what kind of slot an aspect of this kind is asked about."""
    return _SLOT_OF[Aspect.Kind(aspect_kind)]


def _is_asked(aspect_kind: str, part: int | None, slot_kind: str, ordinal: int) -> bool:
    return slot_kind == slot_kind_of(aspect_kind) and (aspect_kind != Aspect.Kind.CHECK or part == ordinal)
