"""Continue: the form's answers are saved in one go, and whatever cannot be taken costs no other answer."""

import uuid
from functools import partial
from typing import Any

import pytest

from annotation.errors import NotAllowedNow
from annotation.models import Assignment, Event, Rating
from annotation.services import finishing
from annotation.services.finishing import Finish, assignment_finish
from annotation.services.ratings import GivenAnswer
from tests.annotation.test_concurrency import at_once
from tests.annotation.walking import Walker
from tests.factories import make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def walker() -> Walker:
    """Somebody in front of a page with four questions."""
    walker = Walker(make_study()).begin()
    walker.get()
    return walker


def names(form: dict[str, object]) -> list[str]:
    return sorted(name for name in form if name.startswith("answer-"))


def values() -> list[int]:
    return sorted(Rating.objects.filter(superseded_by__isnull=True).values_list("value", flat=True))


def test_an_answer_off_the_scale_is_refused_and_the_others_are_saved(walker):
    form = walker.answers()
    response = walker.complete(**{names(form)[1]: 9})
    assert response.status_code == 422
    assert "takes 1 to 5, not 9" in response.content.decode()
    assert values() == [3, 3, 3]
    assert walker.assignment.state == Assignment.State.OPEN


def test_an_answer_that_another_tab_changed_is_shown_and_the_others_are_saved(walker):
    form = walker.answers()
    slot, aspect = names(form)[0].split("-")[1:]
    walker.post(f"answers/{slot}/{aspect}/", value=5, version=0, client_key=uuid.uuid4())
    response = walker.post(f"parts/{walker.assignment.key}/complete/", **form)
    assert response.status_code == 409
    assert "Another tab or device answered differently" in response.content.decode()
    assert values() == [3, 3, 3, 5]
    assert walker.assignment.state == Assignment.State.OPEN


def test_a_form_sent_again_saves_nothing_twice(walker):
    form, address = walker.answers(), f"parts/{walker.assignment.key}/complete/"
    assert [walker.post(address, **form).status_code for _ in range(2)] == [302, 302]
    assert Rating.objects.count() == 4
    assert Event.objects.filter(kind=Event.Kind.ASSIGNMENT_COMPLETED).count() == 1


def test_a_form_after_its_answers_were_clicked_finishes_the_part_and_saves_no_new_answer(walker):
    form = walker.answers()
    for name in names(form):
        slot, aspect = name.split("-")[1:]
        walker.post(f"answers/{slot}/{aspect}/", value=3, version=0, client_key=uuid.uuid4())
    assert walker.post(f"parts/{walker.assignment.key}/complete/", **form).status_code == 302
    assert Rating.objects.count() == 4


def test_a_version_that_never_was_is_a_conflict(walker):
    slot = walker.assignment.slots.first()
    answer = {"value": 3, "version": 7, "client_key": uuid.uuid4()}
    response = walker.post(f"answers/{slot.key}/answerability/", **answer)
    assert response.status_code == 409
    assert (response.json()["value"], response.json()["version"]) == (None, 0)


def test_an_answer_that_is_clicked_while_the_form_is_being_taken_is_a_conflict(walker, monkeypatch):
    form = walker.answers()
    slot, aspect = names(form)[0].split("-")[1:]
    read = finishing._sorted

    def read_and_be_overtaken(*given: Any, **options: Any) -> Any:
        found = read(*given, **options)
        if not Rating.objects.exists():
            walker.post(f"answers/{slot}/{aspect}/", value=5, version=0, client_key=uuid.uuid4())
        return found

    monkeypatch.setattr(finishing, "_sorted", read_and_be_overtaken)
    assert walker.post(f"parts/{walker.assignment.key}/complete/", **form).status_code == 409
    assert values() == [3, 3, 3, 5]


@pytest.mark.django_db(transaction=True)
def test_forms_of_two_tabs_sent_at_once_finish_the_part_once_and_leave_one_answer_to_each_question(walker):
    key = walker.assignment.key
    questions = [name.split("-")[1:] for name in names(walker.answers())]

    def send(value: int) -> Finish:
        assignment = Assignment.objects.select_related("participant__study", "persona__item").get(key=key)
        answers = {(slot, aspect): GivenAnswer(value, 0, uuid.uuid4()) for slot, aspect in questions}
        return assignment_finish(assignment=assignment, answers=answers)

    results = at_once([partial(send, value) for value in (1, 2, 3, 4, 5)])
    finished = [result for result in results if isinstance(result, Finish) and result.is_finished]
    assert len(finished) == 1
    assert all(isinstance(result, NotAllowedNow) or result.conflicts for result in results if result not in finished)
    assert Rating.objects.count() == 4
    assert len(set(values())) == 1
