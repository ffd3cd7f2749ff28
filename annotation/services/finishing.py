"""Take the rating page's form: save what is new on it, and finish the part if every question has an answer."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Aspect, Assignment, Event, Rating
from annotation.questions import QuestionState, is_asked_after, questions_of, standing_ratings
from annotation.services.followups import remarks_missing
from annotation.services.locks import study_lock
from annotation.services.log import event_log
from annotation.services.ratings import (
    KEY_USED,
    TRIES,
    GivenAnswer,
    answer_checked,
    is_answered_so,
    persona_is_shown,
    ratings_end,
    ratings_write,
    sent_answer,
    step_check,
)
from annotation.services.statements import update
from annotation.services.tallies import assignment_recount
from annotation.services.touch import assignment_touch, work_check
from annotation.steps import is_before_persona
from annotation.units import is_place_filled

Key = tuple[str, str]  # of a slot and of an aspect
_End = Callable[[Assignment], None]  # what is done once nothing stands in the way


@dataclass(frozen=True)
class Finish:
    """What came of a form: the part is finished, or the persona shown, or this stands in its way.

    `conflicts` are questions that another tab has answered differently since; `read_again` is a check to be told of.
    """

    is_finished: bool
    conflicts: frozenset[Key] = frozenset()
    is_missing: bool = False
    read_again: Aspect | None = None


@dataclass(frozen=True)
class _Form:
    """A form sorted by what is to be done with it."""

    new: list[tuple[QuestionState, GivenAnswer]]
    conflicts: frozenset[Key]
    refused: ServiceError | None
    values: dict[int, list[int | None]]  # what stands afterwards, by aspect
    ended: list[tuple[int, Aspect]]  # slots and questions that are not asked, though they have been answered


class _ShownMeanwhile(Exception):
    """Another request has shown the persona since this one has read which step the assignment is in."""


def assignment_finish(*, assignment: Assignment, answers: Mapping[Key, GivenAnswer], hold: bool = False) -> Finish:
    """Save the answers, all in one transaction, and finish the assignment unless something stands in the way.

    `hold` only saves. Answers that cannot be taken do not keep the others from being saved. Before the persona is
    shown, nothing is finished.

    Raises:
        ServiceError: as for `rating_save`, for the first answer that is refused.
        NotAllowedNow: the assignment is finished already, or the study is closed.
    """
    return _take(assignment, answers, None if hold or is_before_persona(assignment) else _complete)


def persona_show(*, assignment: Assignment, answers: Mapping[Key, GivenAnswer]) -> Finish:
    """Save the answers, and show the persona once none of the first step is missing: from then on they are fixed.

    Sent again it changes nothing. Raises what `assignment_finish` raises.
    """
    return _take(assignment, answers, _show_persona)


def _take(assignment: Assignment, answers: Mapping[Key, GivenAnswer], end: _End | None) -> Finish:
    for further_tries in reversed(range(TRIES)):
        form = _sorted(assignment, answers, again=further_tries < TRIES - 1)
        try:
            finish = _write(assignment, form, end)
        except (IntegrityError, _ShownMeanwhile):  # another request was first since they were read, or a key is used
            if not further_tries:
                raise
            assignment.refresh_from_db(fields=["persona_shown_at"])
            continue
        if form.refused:
            raise form.refused
        return finish
    raise AssertionError("unreachable")


def _sorted(assignment: Assignment, answers: Mapping[Key, GivenAnswer], *, again: bool) -> _Form:
    """Sort the answers; `again`, where the database has refused some, looks up which have been sent before."""
    aspects = assignment.participant.study.aspects.all()
    questions = questions_of(assignment, aspects, standing_ratings(assignment))
    new: dict[Key, GivenAnswer] = {}
    conflicts: set[Key] = set()
    refused: dict[Key, ServiceError] = {}
    for key, given in answers.items():
        question = questions[key]
        try:
            answer = answer_checked(question, given)
            if is_answered_so(question, answer):
                continue
            if any(answer.client_key == other.client_key for other in new.values()):
                raise ServiceError(_(KEY_USED))
            is_current = question.version == answer.version
            if (again or not is_current or not question.is_in_step) and sent_answer(question, answer):
                continue
            step_check(question)
            if is_current:
                new[key] = answer
            else:
                conflicts.add(key)
        except ServiceError as error:
            refused[key] = error
    stands = {key: new[key].value if key in new else question.value for key, question in questions.items()}
    unasked = _unasked(aspects, stands)
    values = _asked_values({key: question for key, question in questions.items() if key not in unasked}, stands)
    ended = [(questions[key].slot_id, aspect) for key, aspect in unasked.items() if questions[key].value is not None]
    asked = [(questions[key], answer) for key, answer in new.items() if key not in unasked]
    first = next((error for key, error in refused.items() if key not in unasked), None)
    return _Form(asked, frozenset(conflicts - unasked.keys()), first, values, ended)


def _asked_values(
    questions: Mapping[Key, QuestionState], stands: Mapping[Key, int | None]
) -> dict[int, list[int | None]]:
    """Return what stands of the questions of this step, by aspect."""
    values: dict[int, list[int | None]] = {}
    for key, question in questions.items():
        if question.is_in_step:
            values.setdefault(question.aspect_id, []).append(stands[key])
    return values


def _unasked(aspects: Iterable[Aspect], stands: Mapping[Key, int | None]) -> dict[Key, Aspect]:
    """Return the questions that are not asked after what stands of the others."""
    by_key = {aspect.key: aspect for aspect in aspects}
    of_slot: defaultdict[str, dict[str, int | None]] = defaultdict(dict)
    for (slot, key), value in stands.items():
        of_slot[slot][key] = value
    return {(slot, key): by_key[key] for slot, key in stands if not is_asked_after(by_key[key], of_slot[slot])}


def _write(assignment: Assignment, form: _Form, end: _End | None) -> Finish:
    is_missing = any(value is None for values in form.values.values() for value in values)
    if end is not _show_persona:
        is_missing = is_missing or remarks_missing(assignment)
    elif not is_before_persona(assignment):
        end, is_missing = None, False  # what the button asks for has been done
    is_ready = end is not None and not (form.conflicts or form.refused or is_missing)
    missed = _missed_check(assignment, form) if is_ready else None
    with transaction.atomic():
        if end and is_ready and not missed:
            end(assignment)
        elif form.new or form.ended or missed:
            assignment_touch(assignment=assignment)
            if any(question.before_persona for question, _ in form.new) and persona_is_shown(assignment.pk):
                raise _ShownMeanwhile
        # From here on no other request for this assignment runs: the update above holds its row (SQLite: the file).
        ratings_write(form.new)
        for slot_id, aspect in form.ended:
            by = Rating.objects.filter(slot=slot_id, aspect__key=aspect.asked_if, superseded_by__isnull=True).first()
            if by:  # without an answer to the other question, nobody knows yet whether this one is asked
                ratings_end(slot_id=slot_id, aspects=[aspect.pk], by=by)
        if missed:
            event_log(participant=assignment.participant, kind=Event.Kind.CHECK_MISSED, assignment=assignment)
    return Finish(is_ready and not missed, form.conflicts, is_missing, missed)


def _missed_check(assignment: Assignment, form: _Form) -> Aspect | None:
    """Return the loud attention check whose answer is wrong, if the participant has not been told so before."""
    for aspect in assignment.participant.study.aspects.all():
        given = form.values.get(aspect.pk, [])
        if aspect.is_loud and aspect.kind == Aspect.Kind.CHECK and any(value != aspect.expected for value in given):
            told = assignment.events.filter(kind=Event.Kind.CHECK_MISSED).exists()
            return None if told else aspect
    return None


_SHOW = "UPDATE annotation_assignment SET persona_shown_at = %s WHERE id = %s AND persona_shown_at IS NULL"


def _show_persona(assignment: Assignment) -> None:
    assignment_touch(assignment=assignment)
    if not update(_SHOW, timezone.now(), assignment.pk):
        raise _ShownMeanwhile


_COMPLETE = "UPDATE annotation_assignment SET state = %s, completed_at = %s, surplus = %s WHERE id = %s AND state = %s"
_COMPLETE_HELD = f"{_COMPLETE} AND expires_at > %s"


def _complete(assignment: Assignment) -> None:
    participant = assignment.participant
    work_check(participant_kind=participant.kind, study_state=participant.study.state)
    now, state = timezone.now(), Assignment.State
    # A place that was held is held: no count changes. The row itself says whether it was until now, whatever has been
    # read. But whoever is to rate it too can from now on.
    may_hold = _may_have_held_its_place(assignment, now) and not participant.study.overlap_share
    if not may_hold or not update(_COMPLETE_HELD, state.COMPLETED, now, False, assignment.pk, state.OPEN, now):
        study_lock(study_id=participant.study_id)
        if not update(_COMPLETE, state.COMPLETED, now, is_place_filled(assignment), assignment.pk, state.OPEN):
            raise NotAllowedNow(_("This part has been finished already; its answers can no longer be changed."))
        assignment_recount(assignment=assignment)
    event_log(participant=participant, kind=Event.Kind.ASSIGNMENT_COMPLETED, assignment=assignment)


def _may_have_held_its_place(assignment: Assignment, now: datetime) -> bool:
    """Whether nobody else can have taken the place: it has never expired, not even for the moment before a save."""
    hours = timedelta(hours=assignment.participant.study.assignment_hours)
    return assignment.expires_at > now and assignment.created_at + hours > now
