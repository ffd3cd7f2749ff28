"""The participant's way through the pages, over HTTP with the real templates."""

import re
import uuid

import pytest

from annotation.models import Assignment, Event, PageVisit, Rating, Study
from tests.annotation.walking import Walker, make_ready
from tests.factories import make_study

pytestmark = pytest.mark.django_db


def test_the_whole_way_from_consent_to_completion_code():
    study = make_study(practice=1, given_per_participant=2, written_items=2, written_per_participant=1, comparison=True)
    walker = Walker(study)
    steps = [walker.step]
    walker.post("consent/", answer="agree")
    steps.append(walker.step)
    walker.post("instructions/")
    steps.append(walker.step)
    walker.post("practice/", index=0, **walker.answers())
    steps.append(walker.step)
    walker.write()
    steps.append(walker.step)
    make_ready()
    for _ in range(3):
        steps.append(walker.step)
        assert walker.complete().status_code == 302
    page = walker.get().content.decode()
    assert steps == ["consent", "instructions", "practice", "write", "wait", "rate", "rate", "rate"]
    assert walker.step == "done"
    assert walker.participant.completion_code in page
    assert Rating.objects.count() == 3 * 5
    walker.participant.refresh_from_db()
    assert walker.participant.completed_at
    kinds = Event.objects.filter(participant=walker.participant).values_list("kind", flat=True)
    assert kinds[0] == "consented"
    assert list(kinds)[-1] == "completed"


def test_answers_of_practice_items_are_stored_nowhere():
    walker = Walker(make_study(practice=1))
    walker.post("consent/", answer="agree")
    walker.post("instructions/")
    walker.post("practice/", index=0, **walker.answers())
    assert walker.step == "rate"
    assert not Rating.objects.exists()


def test_an_unfinished_practice_item_names_what_is_missing_and_keeps_the_rest():
    walker = Walker(make_study(practice=1))
    walker.post("consent/", answer="agree")
    walker.post("instructions/")
    answers = walker.answers(value=2)
    left_out = sorted(name for name in answers if name.startswith("answer-"))[0]
    del answers[left_out]
    response = walker.post("practice/", index=0, **answers)
    assert response.status_code == 422
    html = response.content.decode()
    assert html.count("checked") == 3
    assert re.search(rf'data-missing-for="{left_out}" ><a', html)


def test_declining_asks_nothing_and_can_be_reconsidered():
    walker = Walker(make_study())
    walker.post("consent/", answer="decline")
    assert walker.step == "declined"
    walker.post("instructions/")
    assert walker.step == "declined"
    walker.post("consent/", answer="reconsider")
    assert walker.step == "consent"


def test_the_version_of_the_consent_text_is_stored():
    first, other = (Walker(make_study(slug=slug)) for slug in ("first", "other"))
    Study.objects.filter(slug="other").update(consent="Another text")
    for walker in (first, other):
        walker.begin().participant.refresh_from_db()
    assert len(first.participant.consent_hash) == 64
    assert other.participant.consent_hash != first.participant.consent_hash


@pytest.mark.parametrize("path", ["instructions/", "practice/", "consent/"])
def test_no_step_can_be_skipped_by_posting_to_a_later_one(path):
    walker = Walker(make_study(practice=1))
    if path != "consent/":
        walker.post(path, index=0)
    assert walker.step == "consent"


def test_one_comes_back_to_the_same_place_on_another_device():
    study = make_study()
    walker = Walker(study).begin()
    first = walker.assignment
    other = Walker(study, walker.participant)
    assert other.step == "rate"
    assert other.assignment == first
    assert Assignment.objects.count() == 1


def test_two_links_in_one_browser_never_mix():
    study = make_study()
    one, two = Walker(study).begin(), Walker(study).begin()
    two.client = one.client
    slot = two.assignment.slots.first()
    one.get(), two.get()
    answer = {"value": 3, "version": 0, "client_key": uuid.uuid4()}
    assert one.post(f"answers/{slot.key}/answerability/", **answer).status_code == 404
    assert two.post(f"answers/{slot.key}/answerability/", **answer).status_code == 200
    assert Rating.objects.get().slot.assignment.participant == two.participant


def test_each_answer_is_saved_as_it_is_clicked():
    walker = Walker(make_study()).begin()
    walker.get()
    slot = walker.assignment.slots.first()
    response = walker.post(f"answers/{slot.key}/answerability/", value=4, version=0, client_key=uuid.uuid4())
    assert response.json()["version"] == 1
    assert 'value="4" checked' in walker.get().content.decode()


def test_a_conflict_between_two_tabs_is_a_409_that_says_what_stands():
    walker = Walker(make_study()).begin()
    slot = walker.assignment.slots.first()
    url = f"answers/{slot.key}/answerability/"
    walker.post(url, value=4, version=0, client_key=uuid.uuid4())
    response = walker.post(url, value=2, version=0, client_key=uuid.uuid4())
    assert response.status_code == 409
    assert (response.json()["value"], response.json()["version"]) == (4, 1)
    assert walker.post(url, value=2, version=1, client_key=uuid.uuid4()).status_code == 200


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [("value", "99", 422), ("value", "-1", 400), ("value", "x", 400), ("version", "", 400), ("client_key", "1", 400)],
)
def test_a_broken_save_is_refused_and_stores_nothing(field, value, status):
    walker = Walker(make_study()).begin()
    slot = walker.assignment.slots.first()
    data = {"value": 3, "version": 0, "client_key": uuid.uuid4(), field: value}
    assert walker.post(f"answers/{slot.key}/answerability/", **data).status_code == status
    assert not Rating.objects.exists()


def test_an_unknown_question_is_not_found():
    walker = Walker(make_study()).begin()
    slot = walker.assignment.slots.first()
    response = walker.post(f"answers/{slot.key}/nonsense/", value=3, version=0, client_key=uuid.uuid4())
    assert response.status_code == 404


def test_continuing_with_missing_answers_keeps_the_given_ones_and_lists_the_missing():
    walker = Walker(make_study()).begin()
    answers = walker.answers(value=4)
    left_out = sorted(name for name in answers if name.startswith("answer-"))[0]
    del answers[left_out]
    response = walker.post(f"parts/{walker.assignment.key}/complete/", **answers)
    assert response.status_code == 422
    assert Rating.objects.count() == 3
    assert re.search(rf'data-missing-for="{left_out}" ><a', response.content.decode())
    assert walker.assignment.ordinal == 1


def test_a_forged_value_with_the_whole_form_is_refused():
    walker = Walker(make_study()).begin()
    name = next(name for name in walker.answers() if name.startswith("answer-"))
    response = walker.complete(**{name: 99})
    assert response.status_code == 422
    assert "takes 1 to 5" in response.content.decode()
    assert not Rating.objects.filter(value=99).exists()


def test_the_form_of_an_old_tab_does_not_overwrite_a_newer_answer_unseen():
    walker = Walker(make_study()).begin()
    old_form = walker.answers(value=2)
    slot = walker.assignment.slots.first()
    walker.post(f"answers/{slot.key}/answerability/", value=5, version=0, client_key=uuid.uuid4())
    response = walker.post(f"parts/{walker.assignment.key}/complete/", **old_form)
    assert response.status_code == 409
    assert "answered differently" in response.content.decode()
    assert Rating.objects.get(slot=slot, aspect__key="answerability").value == 5
    assert walker.complete().status_code == 302


def test_continue_pressed_twice_finishes_one_part_only():
    walker = Walker(make_study()).begin()
    key, form = walker.assignment.key, walker.answers()
    walker.post(f"parts/{key}/complete/", **form)
    walker.post(f"parts/{key}/complete/", **form)
    assert Assignment.objects.filter(state="completed").count() == 1
    assert Rating.objects.count() == 4


def test_no_scale_has_a_default():
    assert "checked" not in Walker(make_study()).begin().get().content.decode()


def test_the_author_is_asked_about_themselves_and_others_about_the_person_described():
    written = Walker(
        make_study(slug="a", given_items=0, given_per_participant=0, written_items=1, written_per_participant=1)
    )
    written.begin().write()
    make_ready()
    assert "For me," in written.get().content.decode()
    given = Walker(make_study(slug="b")).begin()
    assert "For the person described," in given.get().content.decode()


def test_time_on_the_page_is_stored_per_phase():
    walker = Walker(make_study()).begin()
    data = {"visit": uuid.uuid4(), "phase": "rate", "focused_ms": 1, "idle_ms": 0}
    assert walker.post(f"parts/{walker.assignment.key}/time/", **data).status_code == 204
    assert PageVisit.objects.get().phase == "rate"
    assert walker.post(f"parts/{walker.assignment.key}/time/", **{**data, "phase": "x"}).status_code == 400


@pytest.mark.parametrize("items", [4, 40])
def test_a_rating_page_costs_the_same_number_of_queries_whatever_the_study_holds(items, django_assert_num_queries):
    walker = Walker(make_study(given_items=items)).begin()
    walker.get()
    with django_assert_num_queries(5):
        walker.get()


def test_pages_carry_the_headers_that_keep_them_private():
    response = Walker(make_study()).begin().get()
    assert response.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Cache-Control"] == "no-store"
    assert "HX-Request" in response.headers["Vary"]
