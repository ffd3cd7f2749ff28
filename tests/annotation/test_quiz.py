"""The comprehension quiz: tries, explanations, screening out, and what is kept of it."""

import re
from pathlib import Path
from typing import Any

import pytest

from annotation.controls.quiz import is_passed, quiz_view
from annotation.errors import ServiceError, ValueOutOfScale
from annotation.export import study_tables
from annotation.models import Participant, Study
from annotation.recruitment import RecruitmentEvent
from annotation.services.platform import platform_move
from annotation.services.quiz import quiz_answer
from tests.annotation.controls import Worker, example, open_work
from tests.annotation.studyfiles import complaints, write

pytestmark = pytest.mark.django_db

RIGHT, WRONG = {"quiz-1": 2, "quiz-2": 2}, {"quiz-1": 1, "quiz-2": 2}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return open_work(tmp_path, quiz=example()["quiz"], exclusion_rules=example()["exclusion_rules"])


@pytest.fixture
def worker(study: Study) -> Worker:
    worker = Worker(study)
    worker.begin()
    return worker


def kinds(worker: Worker) -> list[str]:
    return [
        kind for kind in worker.participant.events.values_list("kind", flat=True) if "quiz" in kind or "out" in kind
    ]


def test_right_answers_lead_on_to_the_work(worker: Worker) -> None:
    assert worker.step == "quiz"
    assert worker.post("quiz/", attempt=0, **RIGHT).status_code == 302
    assert worker.step == "rate"
    assert worker.me.quiz_passed_at and worker.me.quiz_attempts == 1
    assert kinds(worker) == ["quiz_passed"]


def test_a_wrong_answer_is_named_with_its_explanation_and_the_right_ones_stay(worker: Worker) -> None:
    assert "The instructions ask you to rate" not in worker.get().content.decode()
    worker.post("quiz/", attempt=0, **WRONG)
    page = worker.get().content.decode()
    assert "The instructions ask you to rate for the person described." in page
    assert "There are always two responses." not in page
    assert re.findall(r'name="(quiz-\d)" value="(\d)" checked', page) == [("quiz-2", "2")]
    assert "This is the last try." in page
    worker.post("quiz/", attempt=1, **RIGHT)
    assert worker.step == "rate"
    assert kinds(worker) == ["quiz_failed", "quiz_passed"]


def test_the_last_failed_try_screens_out_with_a_contact_and_without_a_place(worker: Worker) -> None:
    for attempt in (0, 1):
        worker.post("quiz/", attempt=attempt, **WRONG)
    assert worker.step == "screened_out"
    assert "Controls example, study@example.org" in worker.get().content.decode()
    assert kinds(worker) == ["quiz_failed", "quiz_failed", "screened_out"]
    assert not worker.participant.assignments.exists()
    worker.post("quiz/", attempt=2, **RIGHT)
    assert worker.step == "screened_out"


def test_a_form_sent_twice_is_one_try(worker: Worker) -> None:
    for _ in range(3):
        worker.post("quiz/", attempt=0, **WRONG)
    assert worker.me.quiz_attempts == 1
    assert worker.step == "quiz"
    assert worker.participant.questionnaire_answers.count() == 2


def test_two_tries_at_once_count_once(study: Study, worker: Worker) -> None:
    stale = Participant.objects.select_related("study").get(pk=worker.participant.pk)
    quiz_answer(participant=stale, attempt=0, answers=[1, 2])
    quiz_answer(participant=stale, attempt=0, answers=[2, 2])
    assert worker.me.quiz_attempts == 1
    assert worker.me.quiz_passed_at is None


def test_an_unanswered_question_is_named_and_costs_no_try(worker: Worker) -> None:
    response = worker.post("quiz/", attempt=0, **{"quiz-1": 2})
    page = response.content.decode()
    assert response.status_code == 422
    assert '<a href="#quiz-2">How many responses do you see at a time?</a>' in page
    assert re.findall(r'name="(quiz-\d)" value="(\d)" checked', page) == [("quiz-1", "2")]
    assert worker.me.quiz_attempts == 0


def test_an_option_that_does_not_exist_is_refused(worker: Worker) -> None:
    assert worker.post("quiz/", attempt=0, **{"quiz-1": 4, "quiz-2": 1}).status_code == 422
    assert worker.post("quiz/", attempt=0, **{"quiz-1": "x", "quiz-2": 1}).status_code == 400
    with pytest.raises(ValueOutOfScale, match="Question 1 has 3 options"):
        quiz_answer(participant=worker.me, attempt=0, answers=[4, 1])
    with pytest.raises(ServiceError, match="1 question of"):
        quiz_answer(participant=worker.me, attempt=0, answers=[1])
    assert worker.me.quiz_attempts == 0


def test_a_platforms_participant_is_screened_out_there_too(study: Study) -> None:
    worker = Worker(study)
    platform_move(participant=worker.participant, event=RecruitmentEvent.ARRIVES)
    worker.begin()
    for attempt in (0, 1):
        worker.post("quiz/", attempt=attempt, **WRONG)
    assert worker.me.platform_state == Participant.PlatformState.SCREENED_OUT


def test_every_try_is_exported(study: Study, worker: Worker) -> None:
    worker.post("quiz/", attempt=0, **WRONG)
    worker.post("quiz/", attempt=1, **RIGHT)
    table = study_tables(study)["quiz"]
    rows = list(table.rows())
    assert [(row["attempt"], row["question"], row["answer"], row["right"]) for row in rows] == [
        (1, 1, 1, False), (1, 2, 2, True), (2, 1, 2, True), (2, 2, 2, True),
    ]  # fmt: skip
    assert [list(row) for row in rows] == [[column.name for column in table.columns]] * 4
    assert not list(study_tables(study)["questionnaires"].rows())
    (person,) = study_tables(study)["participants"].rows()
    assert (person["quiz_attempts"], bool(person["quiz_passed_at"]), person["screened_out_at"]) == (2, True, None)


def test_more_than_nine_questions_keep_their_order() -> None:
    questions = [{"question": str(n), "options": ["a", "b"], "answer": 1, "explanation": "e"} for n in range(11)]
    quiz: dict[str, Any] = {"attempts": 2, "questions": questions}
    answers = [1] * 10 + [2]
    assert not is_passed(quiz, answers)
    assert [q.text for q in quiz_view(quiz, attempt=1, last=answers).wrong] == ["10"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"answer": 3}, "quiz.questions[1].answer: is 3, and there are 2 options; number them from 1"),
        ({"options": ["One", "One"]}, "quiz.questions[1].options: holds the same option twice; change one"),
        ({"options": ["One"]}, "quiz.questions[1].options: has 1 entries; at least 2 is right"),
        ({"hint": "x"}, "quiz.questions[1].hint: is not a key that a study file has here"),
    ],
)
def test_a_mistake_in_the_quiz_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    quiz = example()["quiz"]
    quiz["questions"][1] |= change
    found = complaints(write(tmp_path, example(quiz=quiz)))
    assert found and complaint in found[0]
