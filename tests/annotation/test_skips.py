"""Skipping a part with a reason, and warnings with their exits."""

from pathlib import Path
from typing import Any

import pytest

from annotation.errors import NotAllowedNow, ServiceError
from annotation.export import study_tables
from annotation.models import Assignment, Event, Item, Study
from annotation.services.skips import assignment_skip, assignment_warned
from tests.annotation.controls import Worker, example, open_work
from tests.annotation.studyfiles import complaints, write

pytestmark = pytest.mark.django_db

REASON = "I do not understand the question."


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return open_work(tmp_path, checks=None, planted=None)


@pytest.fixture
def worker(study: Study) -> Worker:
    worker = Worker(study).begin()
    worker.get()
    return worker


def skip(worker: Worker, **form: str) -> Any:
    return worker.post(f"parts/{worker.assignment.key}/skip/", **form)


def test_a_part_is_skipped_with_a_reason_and_another_comes(worker: Worker) -> None:
    first = worker.assignment
    assert skip(worker, reason=REASON).status_code == 302
    assert worker.step == "rate"
    assert worker.assignment.persona.item_id != first.persona.item_id
    first.refresh_from_db()
    assert (first.state, first.skip_reason) == (Assignment.State.SKIPPED, REASON)
    assert worker.participant.events.filter(kind=Event.Kind.ASSIGNMENT_SKIPPED, assignment=first).count() == 1


def test_the_place_returns_to_others(tmp_path: Path) -> None:
    design = {**example()["design"], "raters_per_item": 1, "given_personas_per_participant": 1}
    study = open_work(tmp_path, checks=None, planted=None, design=design, items=example()["items"][:1])
    first, second = Worker(study).begin(), Worker(study)
    first.get()
    assert second.step == "full"
    skip(first, reason=REASON)
    second.begin()
    assert second.step == "rate"


def test_who_has_skipped_everything_has_finished(worker: Worker) -> None:
    for _ in range(6):
        worker.get()
        skip(worker, reason=REASON)
    assert worker.step == "done"


def test_own_words_are_a_reason(worker: Worker) -> None:
    first = worker.assignment
    skip(worker, reason="own", own="  It is about my “job”. ")
    first.refresh_from_db()
    assert first.skip_reason == "It is about my “job”."


@pytest.mark.parametrize("form", [{}, {"reason": "own", "own": " "}, {"reason": "own", "own": "x" * 201}])
def test_a_skip_without_a_reason_is_refused_and_the_input_kept(worker: Worker, form: dict[str, str]) -> None:
    response = skip(worker, **form)
    page = response.content.decode()
    assert response.status_code == 422
    assert 'role="alert"' in page and '<details class="pass" open>' in page
    assert form.get("own", "") in page
    assert worker.assignment.state == Assignment.State.OPEN


def test_what_was_answered_before_is_kept(worker: Worker) -> None:
    first = worker.assignment
    answers = worker.answers()
    name = next(name for name in answers if name.startswith("answer-"))
    worker.post(f"parts/{first.key}/complete/", **{**dict.fromkeys(answers, ""), **{
        key: value for key, value in answers.items() if key.endswith(name) or key == name
    }})  # fmt: skip
    skip(worker, reason=REASON)
    (row,) = study_tables(worker.me.study)["ratings"].rows()
    assert row["assignment_state"] == "skipped"


def test_a_persona_in_writing_can_be_skipped(tmp_path: Path) -> None:
    items = [{"id": "own", "prompt": "What now?"}, {"id": "other", "prompt": "And now?"}]
    design = {"written_personas_per_participant": 1}
    study = open_work(tmp_path, items=items, design=design, checks=None, planted=None)
    worker = Worker(study).begin()
    assert worker.step == "write"
    first = worker.assignment.persona.item_id
    skip(worker, reason=REASON)
    assert worker.step == "write"
    assert worker.assignment.persona.item_id != first


def test_a_study_without_reasons_offers_no_skipping(tmp_path: Path) -> None:
    worker = Worker(open_work(tmp_path, skip_reasons=None, checks=None, planted=None)).begin()
    worker.get()
    assert "Skip this one" not in worker.get().content.decode()
    skip(worker, reason=REASON)
    assert worker.assignment.state == Assignment.State.OPEN
    with pytest.raises(NotAllowedNow, match="cannot be skipped"):
        assignment_skip(assignment=worker.assignment, reason=REASON)


def test_a_finished_part_is_not_skipped(worker: Worker) -> None:
    first = worker.assignment
    worker.complete()
    worker.post(f"parts/{first.key}/skip/", reason=REASON)
    first.refresh_from_db()
    assert first.state == Assignment.State.COMPLETED
    with pytest.raises(NotAllowedNow):
        assignment_skip(assignment=first, reason=REASON)


def test_nobody_skips_for_somebody_else(worker: Worker, study: Study) -> None:
    stranger = Worker(study).begin()
    assert stranger.post(f"parts/{worker.assignment.key}/skip/", reason=REASON).status_code == 404


def test_a_skipped_part_is_exported_with_its_reason(worker: Worker) -> None:
    skip(worker, reason=REASON)
    tables = study_tables(worker.me.study)
    (row,) = (row for row in tables["ratings_wide"].rows() if row["assignment_state"] == "skipped")
    assert row["skip_reason"] == REASON
    (person,) = tables["participants"].rows()
    assert person["assignments_skipped"] == 1


def test_reasons_must_differ_and_fit(tmp_path: Path) -> None:
    assert (
        "skip_reasons: holds the same words twice" in complaints(write(tmp_path, example(skip_reasons=["a", "a"])))[0]
    )
    assert "is 201 characters long; 200 fit" in complaints(write(tmp_path, example(skip_reasons=["a" * 201])))[0]


# --- Warnings ---


@pytest.fixture
def warned(study: Study) -> Worker:
    Item.objects.update(warning="grief")
    worker = Worker(study).begin()
    worker.get()
    return worker


def test_a_warning_comes_before_the_item_and_is_accepted_once(warned: Worker) -> None:
    page = warned.get().content.decode()
    assert warned.step == "warning"
    assert "This one contains: grief" in page
    assert warned.assignment.persona.item.prompt not in page
    assert warned.assignment.shown_at is None
    warned.post(f"parts/{warned.assignment.key}/warning/")
    assert warned.step == "rate"
    at = warned.assignment.warned_at
    assignment_warned(assignment=warned.assignment)
    assert warned.assignment.warned_at == at
    warned.complete()
    assert warned.step == "warning"


def test_nothing_behind_a_warning_can_be_rated_or_finished(warned: Worker) -> None:
    slot = warned.assignment.slots.filter(kind="output")[0]
    assert warned.post(f"answers/{slot.key}/answerability/", value=1).status_code == 404
    warned.post(f"parts/{warned.assignment.key}/complete/")
    assert warned.assignment.state == Assignment.State.OPEN


def test_a_warning_offers_to_skip_even_where_the_study_does_not(tmp_path: Path) -> None:
    worker = Worker(open_work(tmp_path, skip_reasons=None, checks=None, planted=None)).begin()
    Item.objects.update(warning="grief")
    worker.get()
    first = worker.assignment
    assert skip(worker).status_code == 302
    first.refresh_from_db()
    assert (first.state, first.skip_reason) == (Assignment.State.SKIPPED, "The warning")
    worker.get()
    worker.post(f"parts/{worker.assignment.key}/warning/")
    with pytest.raises(NotAllowedNow):
        assignment_skip(assignment=worker.assignment, reason="Too late")


def test_a_warning_leads_out_of_the_study(warned: Worker) -> None:
    page = warned.get().content.decode()
    assert f'href="{warned.base}leave/"' in page
    assert warned.get("leave/").status_code == 200


def test_a_reason_is_needed_by_the_service_too(worker: Worker) -> None:
    with pytest.raises(ServiceError, match="Choose a reason"):
        assignment_skip(assignment=worker.assignment, reason=" ")
