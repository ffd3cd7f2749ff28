"""Save answers: idempotent, versioned, checked against the scale."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import activate, gettext_noop
from django.utils.translation import gettext as _

from annotation.errors import OutOfStep, ServiceError, StaleVersion, UnknownQuestion, ValueOutOfScale
from annotation.markings import Marking, MarkingsSent
from annotation.models import Aspect, Assignment, PageVisit, Passage, Rating
from annotation.questions import AskedQuestion, QuestionState, asked_question, markings_of
from annotation.services.markings import markings_checked
from annotation.services.statements import insert, update
from annotation.services.touch import work_touch

# A page load counts at most a day; the browser's clock is not to be trusted beyond that.
MAX_VISIT_MS = 24 * 60 * 60 * 1000
# How often a save looks again because another request for the same question was first.
TRIES = 5
KEY_USED = gettext_noop("This request's key was used for another answer; reload the page and answer again.")


@dataclass(frozen=True)
class GivenAnswer:
    """What a page sends for a question. Of passages it is what the page holds; `markings` are those in their places.

    `version` is that of the answer the page has seen (0 for none), `client_key` names this click: sent again it changes
    nothing.
    """

    value: int
    version: int
    client_key: uuid.UUID
    sent: MarkingsSent | None = None
    markings: tuple[Marking, ...] | None = None


_SUPERSEDE = """
    UPDATE annotation_rating SET superseded_by_id = %s
    WHERE slot_id = %s AND aspect_id = %s AND version = %s AND superseded_by_id IS NULL
"""


def rating_save(*, token: str, slot_key: str, aspect_key: str, answer: GivenAnswer) -> Rating:
    """Save one answer and return the rating that stands for it.

    The same value again is no new answer. A different one supersedes the old, which is kept.

    Raises:
        UnknownQuestion: the participant's link, the slot or the aspect leads nowhere, or has not been on a page yet.
        ValueOutOfScale: the scale has no such value.
        ServiceError: the question is not asked here, or the key belongs to another answer.
        OutOfStep: the persona is shown already, or not yet; `current` is what stands.
        StaleVersion: another tab saved a different answer since; `current` is that rating.
        NotAllowedNow: the assignment is finished or the study closed.
    """
    for further_tries in reversed(range(TRIES)):
        asked = asked_question(token=token, slot_key=slot_key, aspect_key=aspect_key)
        if asked is None or not asked.is_shown:
            raise UnknownQuestion(_("There is no such question."))
        activate(asked.language or settings.LANGUAGE_CODE)  # what is refused is said in the participant's language
        placed = answer_checked(asked.question, answer)
        try:
            return _save(asked, placed)
        except IntegrityError:  # another request for this question came first, or this one has come before
            sent_before = sent_answer(asked.question, placed)
            if sent_before:
                return sent_before
            if not further_tries:
                raise
    raise AssertionError("unreachable")


def answer_checked(question: QuestionState, answer: GivenAnswer) -> GivenAnswer:
    """Return the answer, its passages in their places.

    Raises:
        ServiceError: the question is not asked there, or not answered so; or a passage is refused.
        ValueOutOfScale: its scale has no such value.
    """
    if not question.is_asked:
        raise ServiceError(_("%(question)s is not asked about this.") % {"question": question.name})
    if (question.markings is None) != (answer.sent is None):
        raise ServiceError(_("%(question)s is not answered like that; reload the page.") % {"question": question.name})
    if answer.sent is not None:
        markings = markings_checked(question, answer.sent)
        return replace(answer, value=len(markings), markings=markings)
    if not question.minimum <= answer.value <= question.maximum:
        values = {"question": question.name, "minimum": question.minimum, "maximum": question.maximum}
        raise ValueOutOfScale(
            _("%(question)s takes %(minimum)s to %(maximum)s, not %(value)s.") % {**values, "value": answer.value}
        )
    return answer


def step_check(question: QuestionState) -> None:
    """Raise OutOfStep if the question belongs to the step before or after the one that the assignment is in."""
    if question.is_in_step:
        return
    if question.before_persona:
        fixed = _("The persona has been shown, and answers given before that are fixed.")
        raise OutOfStep(fixed, current=rating_that_stands(question))
    raise OutOfStep(_("%(question)s is asked once the persona is shown.") % {"question": question.name})


def is_new(question: QuestionState, answer: GivenAnswer) -> bool:
    """Whether the answer is another one than what stands, by somebody who has seen what stands."""
    return question.version == answer.version and not is_answered_so(question, answer)


def is_answered_so(question: QuestionState, answer: GivenAnswer) -> bool:
    """Whether the answer is what stands already."""
    return (question.value, question.markings) == (answer.value, answer.markings)


def sent_answer(question: QuestionState, answer: GivenAnswer) -> Rating | None:
    """Return the rating that this very click has made already; None if it has made none.

    Raises:
        ServiceError: the click's key was used for another answer.
    """
    rating = Rating.objects.filter(client_key=answer.client_key).first()
    if rating is None:
        return None
    if (rating.slot_id, rating.aspect_id) != (question.slot_id, question.aspect_id) or not _says(rating, answer):
        raise ServiceError(_(KEY_USED))
    return rating


def _says(rating: Rating, answer: GivenAnswer) -> bool:
    is_same = rating.value == answer.value
    return is_same and (answer.markings is None or markings_of([rating]).get(rating.pk, ()) == answer.markings)


def rating_that_stands(question: QuestionState) -> Rating | None:
    """Return the answer that counts, if there is one."""
    return Rating.objects.filter(slot=question.slot_id, aspect=question.aspect_id, superseded_by__isnull=True).first()


def _latest(question: QuestionState) -> Rating | None:
    """Return the last answer, which stands no longer."""
    return Rating.objects.filter(slot=question.slot_id, aspect=question.aspect_id).order_by("-version").first()


def ratings_write(answers: list[tuple[QuestionState, GivenAnswer]]) -> list[Rating]:
    """Write answers that differ from what stands, and return their ratings; call it inside `atomic()`.

    The questions may have been read before the transaction began: where another request has answered one of them since,
    a constraint refuses the whole, and the caller reads again.

    Raises:
        IntegrityError: see above, or a key has been used before.
    """
    ratings = [_rating(question, answer) for question, answer in answers]
    for (question, _answer), rating in zip(answers, ratings, strict=True):
        if question.version:
            # Foreign keys are checked at commit, so the old row can point at the new one before it exists,
            # and at no time do two rows count as current.
            update(_SUPERSEDE, rating.pk, question.slot_id, question.aspect_id, question.version)
    insert(ratings)
    for rating, (_question, answer) in zip(ratings, answers, strict=True):
        insert([Passage(rating=rating, **asdict(marking)) for marking in answer.markings or ()])
    return ratings


def visit_save(
    *, assignment: Assignment, client_key: uuid.UUID, phase: PageVisit.Phase, focused_ms: int, idle_ms: int
) -> None:
    """Keep the time a page load has counted so far; totals only grow, so reports may arrive in any order.

    The sum can never exceed the time since the assignment was made, whatever the browser claims.
    """
    since = (timezone.now() - assignment.created_at).total_seconds() * 1000
    limit = int(min(MAX_VISIT_MS, since))
    focused = min(focused_ms, limit)
    idle = min(idle_ms, limit - focused)
    with transaction.atomic():
        visit, created = PageVisit.objects.get_or_create(
            client_key=client_key,
            defaults={"assignment": assignment, "phase": phase, "focused_ms": focused, "idle_ms": idle},
        )
        if created or visit.assignment_id != assignment.pk:
            return
        PageVisit.objects.filter(pk=visit.pk, focused_ms__lt=focused).update(focused_ms=focused)
        PageVisit.objects.filter(pk=visit.pk, idle_ms__lt=idle).update(idle_ms=idle)


def _save(asked: AskedQuestion, answer: GivenAnswer) -> Rating:
    question = asked.question
    with transaction.atomic():
        work_touch(
            assignment_id=asked.assignment_id, participant_kind=asked.participant_kind,
            study_state=asked.study_state, assignment_hours=asked.assignment_hours,
        )  # fmt: skip
        # From here on no other request for this assignment runs: the update above holds its row (SQLite: the file).
        if question.before_persona:
            question = replace(question, persona_is_shown=persona_is_shown(asked.assignment_id))
        if not (question.is_in_step and is_new(question, answer)):
            current = rating_that_stands(question)
            if current and _says(current, answer):
                return current
            sent_before = sent_answer(question, answer)
            if sent_before:
                return sent_before
            step_check(question)
            latest = current or _latest(question)
            if answer.version != (latest.version if latest else 0):
                raise StaleVersion(_("Another tab or device saved a different answer."), current=latest)
            question = replace(question, version=answer.version)
        (rating,) = ratings_write([(question, answer)])
        if question.decides:
            _end_others(rating)
        return rating


def persona_is_shown(assignment_id: int) -> bool:
    """Whether the first of two steps is over at this moment; asked by whoever holds the assignment's row."""
    return Assignment.objects.filter(pk=assignment_id, persona_shown_at__isnull=False).exists()


def _end_others(rating: Rating) -> None:
    """Let no answer stand to a question that is not asked after this one; what was answered is kept."""
    others = Aspect.objects.filter(study__aspects=rating.aspect_id, asked_if=rating.aspect.key)
    ended = [other.pk for other in others if rating.value not in other.asked_if_values]
    ratings_end(slot_id=rating.slot_id, aspects=ended, by=rating)


def ratings_end(*, slot_id: int, aspects: Sequence[int], by: Rating) -> None:
    """Supersede the answers to questions that are no longer asked by the one that decided so."""
    standing = Rating.objects.filter(slot=slot_id, aspect__in=aspects, superseded_by__isnull=True)
    standing.update(superseded_by=by)


def _rating(question: QuestionState, answer: GivenAnswer) -> Rating:
    return Rating(
        slot_id=question.slot_id, aspect_id=question.aspect_id, value=answer.value,
        minimum=question.minimum, maximum=question.maximum, position=question.position,
        version=question.version + 1, client_key=answer.client_key,
    )  # fmt: skip
