"""Questions before and after the work, and what may be added to an answer."""

from pathlib import Path
from typing import Any

import pytest
from lxml import html

from annotation.errors import NotAllowedNow, ServiceError
from annotation.export import study_tables
from annotation.models import Assignment, Followup, QuestionnaireAnswer, Study
from annotation.services.followups import followup_save
from annotation.services.questionnaires import questionnaire_save
from tests.annotation.controls import Worker, example, open_example, open_work
from tests.annotation.studyfiles import complaints, write

pytestmark = pytest.mark.django_db

Page = QuestionnaireAnswer.Page
ODD = '  Côte d’Ivoire,\n"quoted" = 🦊\t'


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return open_example(tmp_path, quiz=None, exclusion_rules=None)


@pytest.fixture
def worker(study: Study) -> Worker:
    worker = Worker(study)
    worker.post("consent/", answer="agree")
    return worker


def kept(worker: Worker) -> dict[str, str]:
    return dict(worker.participant.questionnaire_answers.values_list("key", "value"))


def test_the_page_before_comes_after_consent_and_before_the_instructions(worker: Worker) -> None:
    assert worker.step == "survey"
    response = worker.post("questions/before/", **{"question-country": "Chile", "question-use": "Never"})
    assert response.status_code == 302
    assert worker.step == "instructions"
    assert kept(worker) == {"country": "Chile", "use": "Never"}


def test_the_page_after_comes_before_the_end(tmp_path: Path) -> None:
    pages = {"after": example()["questionnaires"]["after"]}
    worker = Worker(open_work(tmp_path, questionnaires=pages)).begin()
    worker.reach(7)
    worker.complete()
    assert worker.step == "survey"
    assert not worker.participant.events.filter(kind="completed").exists()
    worker.post("questions/after/", **{"question-clear": "3"})
    assert worker.step == "done"
    assert worker.me.completed_at
    assert kept(worker) == {"clear": "3"}


def test_a_required_question_is_named_and_the_other_answers_are_kept(worker: Worker) -> None:
    response = worker.post("questions/before/", **{"question-country": ODD, "question-use": ""})
    page = response.content.decode()
    assert response.status_code == 422
    assert '<a href="#question-use">How often do you use a chat assistant?</a>' in page
    assert 'href="#question-country"' not in page
    assert kept(worker) == {"country": ODD}
    assert "Côte d’Ivoire" in worker.get().content.decode()


def test_texts_are_kept_byte_for_byte(study: Study, worker: Worker) -> None:
    worker.post("questions/before/", **{"question-country": ODD.replace("\n", "\r\n"), "question-use": "Every day"})
    rows = {row["question"]: row for row in study_tables(study)["questionnaires"].rows()}
    assert (rows["country"]["value"], rows["country"]["page"]) == (ODD, "before")
    assert [column.name for column in study_tables(study)["questionnaires"].columns] == list(rows["use"])


def test_a_page_sent_twice_is_kept_once_and_cannot_be_changed_afterwards(worker: Worker) -> None:
    for use in ("Never", "Every day"):
        worker.post("questions/before/", **{"question-country": "Chile", "question-use": use})
    assert kept(worker)["use"] == "Never"
    with pytest.raises(NotAllowedNow):
        questionnaire_save(participant=worker.me, page=Page.BEFORE, answers={"use": "Every day"})


def test_an_answer_can_be_taken_back_while_the_page_is_open(worker: Worker) -> None:
    worker.post("questions/before/", **{"question-country": "Chile"})
    worker.post("questions/before/", **{"question-country": " "})
    assert kept(worker) == {}


def test_an_answer_that_was_not_on_offer_is_refused_and_the_input_kept(worker: Worker) -> None:
    response = worker.post("questions/before/", **{"question-country": "Chile", "question-use": "Sometimes"})
    assert response.status_code == 422
    assert "has no answer “Sometimes”" in response.content.decode()
    assert "Chile</textarea>" in response.content.decode()
    assert kept(worker) == {}


@pytest.mark.parametrize("text", ["x" * 5001, "a\x00b"])
def test_a_text_that_cannot_be_stored_is_refused(worker: Worker, text: str) -> None:
    assert worker.post("questions/before/", **{"question-country": text}).status_code == 422
    assert kept(worker) == {}


def test_a_page_that_does_not_exist_is_not_found(worker: Worker) -> None:
    assert worker.post("questions/between/").status_code == 404


def test_a_scale_is_exported_with_its_label(tmp_path: Path) -> None:
    pages = {"after": example()["questionnaires"]["after"]}
    study = open_work(tmp_path, questionnaires=pages)
    worker = Worker(study)
    questionnaire_save(participant=worker.me, page=Page.AFTER, answers={"clear": "2", "remarks": ODD})
    rows = {row["question"]: (row["value"], row["label"]) for row in study_tables(study)["questionnaires"].rows()}
    assert rows == {"clear": ("2", "Partly"), "remarks": (ODD, ODD)}


@pytest.mark.parametrize(
    ("question", "complaint"),
    [
        ({"key": "a", "type": "choice", "question": "q"}, "before[0].options: a question of type choice needs two"),
        ({"key": "a", "type": "scale", "question": "q", "labels": ["x", "x"]}, "before[0].labels: a question of type"),
        ({"key": "a", "type": "text", "question": "q", "options": ["x", "y"]}, "does not belong to a question of type"),
        ({"key": "a", "type": "word", "question": "q"}, "before[0].type: 'word' is not one of the values it can have"),
        ({"key": "A b", "type": "text", "question": "q"}, "before[0].key: 'A b' may hold only small letters"),
    ],
)
def test_a_mistake_in_a_questionnaire_is_named(tmp_path: Path, question: dict[str, Any], complaint: str) -> None:
    found = complaints(write(tmp_path, example(questionnaires={"before": [question]})))
    assert len(found) == 1
    assert complaint in found[0]


def test_two_questions_of_one_page_need_two_keys(tmp_path: Path) -> None:
    question = {"key": "a", "type": "text", "question": "q"}
    found = complaints(write(tmp_path, example(questionnaires={"before": [question, question], "after": [question]})))
    assert [line.split(": ", 1)[1] for line in found] == [
        "questionnaires.before[1].key: 'a' is the key of another question here; rename one"
    ]


# --- What may be added to an answer ---


@pytest.fixture
def rating(tmp_path: Path) -> Worker:
    worker = Worker(open_work(tmp_path)).begin()
    worker.get()
    return worker


def output_slot(worker: Worker) -> Any:
    return worker.assignment.slots.filter(kind="output")[0]


def test_reasons_are_saved_with_the_page_and_shown_again(rating: Worker) -> None:
    slot = output_slot(rating)
    added = {f"reasons-{slot.key}": ["Well written", "Wrong facts"], f"words-{slot.key}": ODD}
    answers = rating.answers()
    missing = next(name for name in answers if name.startswith("answer-"))
    refused = rating.post(f"parts/{rating.assignment.key}/complete/", **{**answers, **added, missing: ""})
    assert refused.status_code == 422
    page = rating.get().content.decode()
    assert page.count('value="Well written" checked') == 1
    followup = Followup.objects.get()
    assert (followup.slot, followup.chips, followup.text) == (slot, ["Wrong facts", "Well written"], ODD)
    assert rating.complete(**added).status_code == 302
    assert Followup.objects.count() == 1


def test_reasons_are_saved_by_themselves_and_sending_them_twice_changes_nothing(rating: Worker) -> None:
    slot = output_slot(rating)
    replies = [
        rating.post(f"reasons/{slot.key}/", **{f"reasons-{slot.key}": ["Fits the person"]}).json() for _ in range(2)
    ]
    assert replies[0] == replies[1]
    assert replies[0]["saved_at"]
    assert Followup.objects.get().chips == ["Fits the person"]
    assert rating.post(f"reasons/{slot.key}/", version=replies[0]["version"]).status_code == 200
    assert Followup.objects.get().chips == []


def test_what_another_tab_has_added_since_is_not_overwritten_unseen(rating: Worker) -> None:
    slot = output_slot(rating)
    first = {f"reasons-{slot.key}": ["Wrong facts"], f"words-{slot.key}": "typed in the first tab"}
    rating.post(f"reasons/{slot.key}/", **first)
    refused = rating.post(f"reasons/{slot.key}/", **{f"words-{slot.key}": "typed in the second"})
    assert refused.status_code == 409
    stands = refused.json()
    assert (stands["chips"], stands["text"]) == (["Wrong facts"], "typed in the first tab")
    assert Followup.objects.get().text == "typed in the first tab"
    mine = {f"words-{slot.key}": "typed in the second", "version": stands["version"]}
    assert rating.post(f"reasons/{slot.key}/", **mine).status_code == 200
    assert Followup.objects.get().text == "typed in the second"


def test_a_form_from_an_older_page_shows_both_and_keeps_ones_own_when_sent_again(rating: Worker) -> None:
    slot = output_slot(rating)
    form = rating.answers()
    rating.post(f"reasons/{slot.key}/", **{f"words-{slot.key}": "typed elsewhere"})
    path = f"parts/{rating.assignment.key}/complete/"
    refused = rating.post(path, **{**form, f"words-{slot.key}": "typed here"})
    assert refused.status_code == 409
    page: Any = html.fromstring(refused.content.decode())
    assert page.xpath("//*[@role='alert']//q/text()") == ["typed elsewhere"]
    (area,) = page.xpath("//textarea[@name=$name]", name=f"words-{slot.key}")
    assert area.text.strip() == "typed here"
    assert Followup.objects.get().text == "typed elsewhere"
    again = {**form, **dict(page.forms[0].form_values()), f"words-{slot.key}": "typed here"}
    assert rating.post(path, **again).status_code == 302
    assert Followup.objects.get().text == "typed here"


def test_a_refused_text_stays_in_its_field(rating: Worker) -> None:
    slot = output_slot(rating)
    refused = rating.complete(**{f"words-{slot.key}": "x" * 5001})
    assert refused.status_code == 422
    assert "x" * 5001 in refused.content.decode()


def test_nothing_added_leaves_no_row(rating: Worker) -> None:
    rating.complete()
    assert not Followup.objects.exists()


def test_a_reason_that_was_not_on_offer_is_refused(rating: Worker) -> None:
    slot = output_slot(rating)
    assert rating.post(f"reasons/{slot.key}/", **{f"reasons-{slot.key}": ["Rude"]}).status_code == 422
    assert rating.post(f"reasons/{slot.key}/", **{f"words-{slot.key}": "x" * 5001}).status_code == 422
    assert not Followup.objects.exists()


def test_nothing_is_added_to_a_finished_part_or_by_somebody_else(rating: Worker) -> None:
    slot = output_slot(rating)
    stranger = Worker(rating.me.study)
    assert stranger.post(f"reasons/{slot.key}/").status_code == 404
    rating.complete()
    assert rating.post(f"reasons/{slot.key}/", **{f"words-{slot.key}": "late"}).status_code == 403
    assert not Followup.objects.exists()


def test_nothing_is_added_where_nothing_is_asked(tmp_path: Path) -> None:
    worker = Worker(open_work(tmp_path, followup=None)).begin()
    assert "data-followup" not in worker.get().content.decode()
    slot = output_slot(worker)
    with pytest.raises(ServiceError, match="Nothing more is asked"):
        followup_save(slot=slot, chips=[], text="x", version="")
    only_chips = {"chips": ["Rude", "Kind"]}
    worker = Worker(open_work(tmp_path / "..", slug="chips", followup=only_chips)).begin()
    assert "<textarea" not in worker.get().content.decode()
    with pytest.raises(ServiceError, match="No text is asked for"):
        followup_save(slot=output_slot(worker), chips=[], text="x", version="")


def test_what_was_added_is_exported_byte_for_byte(rating: Worker) -> None:
    slot = output_slot(rating)
    followup_save(slot=slot, chips=["Wrong facts", "Well written"], text=ODD, version="")
    table = study_tables(rating.me.study)["followups"]
    (row,) = table.rows()
    assert (row["chips"], row["text"], row["output"]) == ("Wrong facts\nWell written", ODD, slot.output.key)
    assert list(row) == [column.name for column in table.columns]
    assert Assignment.objects.get(key=row["assignment"]) == slot.assignment


def test_a_followup_that_asks_nothing_is_a_mistake(tmp_path: Path) -> None:
    found = complaints(write(tmp_path, example(followup={"chips": []})))
    assert "followup: asks nothing; write `chips`, `text` or both" in found[0]
    found = complaints(write(tmp_path, example(followup={"chips": ["a", "a"]})))
    assert "followup.chips: holds the same words twice; change one" in found[0]
