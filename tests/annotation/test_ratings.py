"""Answers: idempotent, versioned, on their scale, exactly one current per question."""

import uuid

import pytest
from django.db import IntegrityError, transaction

from annotation.errors import NotAllowedNow, ServiceError, StaleVersion, ValueOutOfScale
from annotation.models import Aspect, Assignment, PageVisit, Rating, Slot, Study
from annotation.services.assignments import assignment_mark_shown
from annotation.services.handout import assignment_next
from annotation.services.participants import participant_create
from annotation.services.ratings import GivenAnswer, visit_save
from tests.annotation.answering import save_answer
from tests.factories import make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def assignment() -> Assignment:
    study = make_study(comparison=True)
    assignment = assignment_next(participant=participant_create(study=study))
    assert assignment is not None
    assignment_mark_shown(assignment=assignment)
    return assignment


@pytest.fixture
def slot(assignment: Assignment) -> Slot:
    return Slot.objects.select_related("assignment__participant__study").get(assignment=assignment, position=1)


@pytest.fixture
def aspect(assignment: Assignment) -> Aspect:
    return Aspect.objects.get(key="answerability")


def save(slot: Slot, aspect: Aspect, value: int, version: int = 0, key: uuid.UUID | None = None) -> Rating:
    return save_answer(slot, aspect, GivenAnswer(value, version, key or uuid.uuid4()))


def test_an_answer_keeps_its_position_and_the_bounds_of_its_scale(slot, aspect):
    rating = save(slot, aspect, 4)
    assert (rating.value, rating.version, rating.position, rating.minimum, rating.maximum) == (
        4,
        1,
        slot.position,
        1,
        5,
    )


def test_a_request_sent_twice_saves_once(slot, aspect):
    key = uuid.uuid4()
    assert save(slot, aspect, 4, key=key) == save(slot, aspect, 4, key=key)
    assert Rating.objects.count() == 1


def test_the_same_value_again_is_no_new_answer(slot, aspect):
    first = save(slot, aspect, 4)
    assert save(slot, aspect, 4, version=0) == first
    assert Rating.objects.count() == 1


def test_a_changed_answer_supersedes_the_old_one_which_is_kept(slot, aspect):
    first = save(slot, aspect, 4)
    second = save(slot, aspect, 2, version=1)
    first.refresh_from_db()
    assert first.superseded_by == second
    assert (second.version, second.superseded_by) == (2, None)
    assert list(Rating.objects.filter(superseded_by__isnull=True)) == [second]


def test_a_late_copy_of_an_old_request_changes_nothing(slot, aspect):
    key = uuid.uuid4()
    save(slot, aspect, 4, key=key)
    second = save(slot, aspect, 2, version=1)
    assert save(slot, aspect, 4, version=0, key=key).version == 1
    assert Rating.objects.get(superseded_by__isnull=True) == second


def test_a_second_tab_that_has_not_seen_the_newer_answer_is_told(slot, aspect):
    newer = save(slot, aspect, 4)
    with pytest.raises(StaleVersion) as error:
        save(slot, aspect, 2, version=0)
    assert error.value.current == newer
    assert Rating.objects.count() == 1


@pytest.mark.parametrize("value", [0, 6, 99])
def test_a_value_the_scale_does_not_have_is_refused(slot, aspect, value):
    with pytest.raises(ValueOutOfScale, match="takes 1 to 5"):
        save(slot, aspect, value)


def test_the_database_itself_refuses_a_value_off_the_scale(slot, aspect):
    with pytest.raises(IntegrityError), transaction.atomic():
        Rating.objects.create(
            slot=slot, aspect=aspect, value=9, minimum=1, maximum=5, position=1, version=1, client_key=uuid.uuid4()
        )


def test_the_database_itself_refuses_two_current_answers_to_one_question(slot, aspect):
    save(slot, aspect, 4)
    with pytest.raises(IntegrityError), transaction.atomic():
        Rating.objects.create(
            slot=slot, aspect=aspect, value=3, minimum=1, maximum=5, position=1, version=2, client_key=uuid.uuid4()
        )


def test_a_comparison_belongs_to_the_pair_and_not_to_one_response(assignment, slot):
    preference = Aspect.objects.get(key="preference")
    with pytest.raises(ServiceError, match="not asked about this"):
        save(slot, preference, 1)
    pair = Slot.objects.get(assignment=assignment, kind=Slot.Kind.PAIR)
    assert save(pair, preference, 4).position == 3


def test_a_key_cannot_stand_for_two_different_answers(slot, aspect):
    key = uuid.uuid4()
    save(slot, aspect, 4, key=key)
    with pytest.raises(ServiceError, match="key was used"):
        save(slot, aspect, 2, version=1, key=key)


def test_no_answer_is_taken_after_the_study_has_closed(slot, aspect):
    Study.objects.update(state=Study.State.CLOSED)
    slot = Slot.objects.select_related("assignment__participant__study").get(pk=slot.pk)
    with pytest.raises(NotAllowedNow, match="closed"):
        save(slot, aspect, 4)


def test_an_answer_on_its_way_is_still_taken_while_the_study_is_paused(slot, aspect):
    Study.objects.update(state=Study.State.PAUSED)
    slot = Slot.objects.select_related("assignment__participant__study").get(pk=slot.pk)
    assert save(slot, aspect, 4).value == 4


def test_no_answer_is_changed_after_its_part_is_finished(slot, aspect, assignment):
    save(slot, aspect, 4)
    Assignment.objects.filter(pk=assignment.pk).update(
        state=Assignment.State.COMPLETED, completed_at=assignment.created_at
    )
    with pytest.raises(NotAllowedNow, match="finished already"):
        save(slot, aspect, 2, version=1)


def test_reports_of_time_may_arrive_twice_and_out_of_order(assignment):
    Assignment.objects.update(created_at="2020-01-01T00:00:00Z")
    assignment.refresh_from_db()
    key = uuid.uuid4()
    for focused, idle in [(5_000, 0), (20_000, 4_000), (9_000, 1_000), (20_000, 4_000)]:
        visit_save(assignment=assignment, client_key=key, phase=PageVisit.Phase.RATE, focused_ms=focused, idle_ms=idle)
    visit = assignment.visits.get()
    assert (visit.focused_ms, visit.idle_ms) == (20_000, 4_000)


def test_a_browser_cannot_claim_more_time_than_has_passed(assignment):
    visit_save(
        assignment=assignment, client_key=uuid.uuid4(), phase=PageVisit.Phase.RATE, focused_ms=10**8, idle_ms=10**8
    )
    visit = assignment.visits.get()
    assert visit.focused_ms + visit.idle_ms < 60_000


def test_saving_costs_the_same_number_of_queries_however_much_there_is(slot, aspect, django_assert_max_num_queries):
    with django_assert_max_num_queries(9):
        save(slot, aspect, 4)
