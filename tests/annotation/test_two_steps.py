"""Some questions are asked before the persona is shown: what each step shows, what is fixed, and what is refused."""

import re
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from lxml import html
from pytest_django.live_server_helper import LiveServer

from annotation.bots import Bot
from annotation.errors import OutOfStep
from annotation.export import study_tables
from annotation.export.codebook import codebook_data, codebook_markdown
from annotation.models import Assignment, Participant, Rating, Slot, Study
from annotation.questions import asked_question
from annotation.sampleviews import pages_of, sample_context
from annotation.services import ratings
from annotation.services.finishing import assignment_finish, persona_show
from annotation.services.participants import participant_create
from annotation.services.ratings import GivenAnswer, rating_save
from tests.annotation.asking import make_asking_study
from tests.annotation.stepping import EARLY, LATE, make_two_step_study
from tests.annotation.studyfiles import assessment_data, complaints, definition, rating_aspect, study_data, write
from tests.annotation.test_concurrency import at_once
from tests.annotation.walking import Walker, make_ready, step_of

QUALITY = rating_aspect(key="quality", name="Quality", before_persona=True)

PICK = {"key": "choice", "name": "Choice", "type": "pick", "question": "Which?"}


@pytest.fixture
def walker(db: None) -> Walker:
    """Somebody in the first step of their first part."""
    walker = Walker(make_two_step_study()).begin()
    walker.get()
    return walker


def page(walker: Walker) -> str:
    text: str = walker.get().content.decode()
    return text


def press(walker: Walker, **changes: Any) -> Any:
    """Send the first step's form, every question answered with 3 but for the changes."""
    return walker.post(f"parts/{walker.assignment.key}/show-persona/", **{**walker.answers(), **changes})


def slot(walker: Walker, kind: Slot.Kind = Slot.Kind.OUTPUT) -> Slot:
    found = walker.assignment.slots.filter(kind=kind).first()
    assert found
    return found


def click(walker: Walker, aspect: str, value: int, version: int = 0, key: uuid.UUID | None = None) -> Any:
    values = {"value": value, "version": version, "client_key": key or uuid.uuid4()}
    return walker.post(f"answers/{slot(walker).key}/{aspect}/", **values)


def values(aspect: str) -> list[int]:
    found = Rating.objects.filter(aspect__key=aspect, superseded_by=None).order_by("slot")
    return list(found.values_list("value", flat=True))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"aspects": [QUALITY]}, "aspects: are all asked before the persona is shown, which it then never is"),
        (
            {"aspects": [rating_aspect(), rating_aspect(key="b", type="persona", before_persona=True)]},
            "aspects[1].before_persona: a question about the persona is asked beside it; remove this key",
        ),
        (
            {"aspects": [rating_aspect(), {**QUALITY, "only_if": {"aspect": "fit", "values": [1]}}]},
            "aspects[1].only_if.aspect: 'fit' is asked once the persona is shown, and this before it; write",
        ),
        ({"aspects": [QUALITY, rating_aspect(before_persona="yes")]}, "aspects[1].before_persona: "),
        (
            {"aspects": [rating_aspect(), {**PICK, "before_persona": True}]},
            "aspects[1].before_persona: is not a key that a study file has here",
        ),
    ],
)  # fmt: skip
def test_a_study_file_is_told_where_two_steps_make_no_sense(tmp_path: Path, changes: Any, line: str) -> None:
    found = complaints(write(tmp_path, study_data(**changes)))
    assert len(found) == 1
    assert re.match(r"study\.yaml:\d+: ", found[0])
    assert line in found[0]


def test_a_persona_assessment_shows_the_persona_from_the_beginning(tmp_path: Path) -> None:
    data = assessment_data(aspects=[rating_aspect(type="persona", before_persona=True)])
    assert any("is asked beside it; remove this key" in line for line in complaints(write(tmp_path, data)))


def test_a_late_question_may_depend_on_an_early_one_and_a_study_without_the_key_keeps_its_document(
    tmp_path: Path,
) -> None:
    late = rating_aspect(only_if={"aspect": "quality", "values": [1]})
    early, asked = definition(tmp_path, aspects=[QUALITY, late]).document()["aspects"]
    assert early["before_persona"] is True
    assert "before_persona" not in asked


def test_the_first_step_holds_prompt_and_responses_and_asks_what_comes_first(walker: Walker) -> None:
    first = page(walker)
    assert "How do I spend free evening number" in first
    assert first.count('class="response-text') == 2
    assert walker.assignment.persona.text not in first
    assert LATE not in first.lower()
    assert first.count("answer-") and all(key in first for key in EARLY)


def test_the_persona_comes_once_nothing_of_the_first_step_is_missing_and_nothing_is_lost_before(
    walker: Walker,
) -> None:
    open_one = f"answer-{slot(walker, Slot.Kind.PAIR).key}-preference"
    refused = press(walker, **{open_one: ""})
    assert refused.status_code == 422
    assert f'<li data-missing-for="{open_one}" ><a' in refused.content.decode()
    assert walker.assignment.persona.text not in refused.content.decode()
    assert values("answerability") == [3, 3]
    assert walker.assignment.persona_shown_at is None
    assert press(walker).status_code == 302
    second = page(walker)
    assert walker.assignment.persona.text in second
    assert second.count("Answered before the persona was shown") == 3
    assert not re.search(r'name="[^"]*(answerability|preference)', second)
    assert second.count(f"-{LATE}/") == 0 and second.count(f"/{LATE}/") == 2


def test_a_part_ends_with_the_second_step_and_the_next_one_begins_with_the_first(walker: Walker) -> None:
    press(walker)
    assert walker.complete().status_code == 302
    done = Assignment.objects.get(state="completed")
    assert done.completed_at and done.persona_shown_at and done.completed_at > done.persona_shown_at
    following = page(walker)
    assert walker.assignment.persona.text not in following


def test_researchers_see_when_the_persona_was_shown_on_the_way_of_a_participant(walker: Walker, client: Client) -> None:
    def way() -> list[str]:
        answer = client.get(reverse("annotation:participant_seen", args=[study.slug, study.version, person.number]))
        steps = html.fromstring(answer.content.decode()).xpath("//ol[@class='way']//span")
        return [one.text_content() for one in steps]

    person = walker.participant
    study = person.study
    client.force_login(study.owner)
    assert not any("shown the persona" in step for step in way())
    press(walker)
    assert way()[-2:] == ["saw the responses (1)", "was shown the persona, after the first step (1)"]


def test_before_the_persona_is_shown_no_part_is_finished(walker: Walker) -> None:
    assert walker.complete().status_code == 302
    assert values("answerability") == [3, 3]
    assert walker.assignment.persona_shown_at is None


def test_what_was_answered_before_the_persona_is_fixed_and_the_same_click_still_counts_as_saved(
    walker: Walker,
) -> None:
    key = uuid.uuid4()
    assert click(walker, "answerability", 4, key=key).status_code == 200
    form = walker.answers() | {f"answer-{slot(walker).key}-answerability": 4}
    walker.post(f"parts/{walker.assignment.key}/show-persona/", **form)
    late = click(walker, "answerability", 1, version=1)
    assert late.status_code == 409
    assert late.json()["message"] == "The persona has been shown, and answers given before that are fixed."
    assert (late.json()["value"], late.json()["version"], late.json()["out_of_step"]) == (4, 1, True)
    assert click(walker, "answerability", 4, key=key).json()["value"] == 4
    assert values("answerability") == [4, 3]


def test_what_is_asked_beside_the_persona_takes_no_answer_before_it(walker: Walker) -> None:
    early = click(walker, LATE, 2)
    assert early.status_code == 409
    assert early.json()["message"] == "Personalization is asked once the persona is shown."
    assert not Rating.objects.exists()


def test_remarks_are_asked_for_beside_the_persona(db: None) -> None:
    study = make_two_step_study()
    Study.objects.filter(pk=study.pk).update(followup={"chips": [], "text": "Why?", "required": True})
    walker = Walker(study).begin()
    assert "Why?" not in page(walker)
    form = {f"words-{slot(walker).key}": "Because.", "version": ""}
    assert walker.post(f"reasons/{slot(walker).key}/", **form).status_code == 409
    assert press(walker).status_code == 302
    assert page(walker).count("Why?") == 2
    assert walker.post(f"reasons/{slot(walker).key}/", **form).status_code == 200


def test_the_button_pressed_twice_keeps_the_first_time_and_an_older_form_is_told_what_is_fixed(
    walker: Walker,
) -> None:
    form, address = walker.answers(), f"parts/{walker.assignment.key}/show-persona/"
    walker.post(address, **form)
    first = walker.assignment.persona_shown_at
    assert walker.post(address, **form).status_code == 302
    changed = walker.post(address, **{**form, f"answer-{slot(walker).key}-answerability": 5,
                                      f"key-answer-{slot(walker).key}-answerability": uuid.uuid4()})  # fmt: skip
    assert changed.status_code == 409
    assert "answers given before that are fixed" in changed.content.decode()
    assert values("answerability") == [3, 3]
    assert walker.assignment.persona_shown_at == first
    assert walker.assignment.state == "open"


def test_while_the_study_is_paused_the_answers_on_the_form_are_kept_and_nothing_is_shown(walker: Walker) -> None:
    form = walker.answers()
    Study.objects.update(state="paused")
    assert walker.post(f"parts/{walker.assignment.key}/show-persona/", **form).status_code == 302
    assert values("answerability") == [3, 3]
    assert walker.assignment.persona_shown_at is None


def test_a_request_that_read_the_first_step_changes_nothing_once_another_has_shown_the_persona(
    walker: Walker, monkeypatch: pytest.MonkeyPatch
) -> None:
    walker.complete()  # saves the first step's answers, and shows nothing yet
    stale = Assignment.objects.select_related("participant__study").get(pk=walker.assignment.pk)
    place = {"token": walker.participant.token, "slot_key": slot(walker).key, "aspect_key": "answerability"}
    read_before = asked_question(**place)
    press(walker)
    with monkeypatch.context() as patched, pytest.raises(OutOfStep):
        patched.setattr(ratings, "asked_question", lambda **_place: read_before)
        rating_save(**place, answer=GivenAnswer(5, 1, uuid.uuid4()))
    given = {(slot(walker).key, "answerability"): GivenAnswer(5, 1, uuid.uuid4())}
    with pytest.raises(OutOfStep):
        assignment_finish(assignment=stale, answers=given, hold=True)
    assert values("answerability") == [3, 3]


@pytest.mark.django_db(transaction=True)
def test_no_answer_of_the_first_step_is_saved_after_the_persona_was_shown() -> None:
    walker = Walker(make_two_step_study()).begin()
    walker.get()
    walker.complete()  # saves the first step's answers, and shows nothing yet
    token, key, part = walker.participant.token, slot(walker).key, walker.assignment
    saves = [
        partial(rating_save, token=token, slot_key=key, aspect_key="answerability",
                answer=GivenAnswer(value, 1, uuid.uuid4()))
        for value in (1, 2, 4, 5)
    ]  # fmt: skip
    calls = [partial(attempt, save) for save in saves]
    at_once([*calls, *[partial(show, part.key)] * 2])
    part.refresh_from_db()
    assert part.persona_shown_at
    assert not Rating.objects.filter(saved_at__gt=part.persona_shown_at).exists()
    found = asked_question(token=token, slot_key=key, aspect_key="answerability")
    assert found and not found.question.is_in_step


def attempt(save: Any) -> Any:
    try:
        return save()
    except OutOfStep as error:
        return error


def show(key: str) -> None:
    part = Assignment.objects.select_related("participant__study").get(key=key)
    persona_show(assignment=part, answers={})


def test_the_practice_has_both_steps_and_keeps_nothing(db: None) -> None:
    study = make_asking_study()
    study.aspects.filter(key__in=["fit", "order"]).update(before_persona=True)
    walker = Walker(study)
    walker.post("consent/", answer="agree")
    walker.post("instructions/")
    first = page(walker)
    assert "The user is a student" not in first
    assert "quality" not in first
    fits = {f"answer-practice{letter}-fit": value for letter, value in zip("ABC", (1, 4, 5), strict=True)}
    order = {f"answer-practice-order.{place}": position for place, position in enumerate((2, 1, 3), start=1)}
    assert walker.post("practice/", index=0, **fits).status_code == 422
    shown = walker.post("practice/", index=0, **fits, **order)
    assert shown.status_code == 200
    second = shown.content.decode()
    assert "The user is a student" in second
    assert "B &gt; A &gt; C" in second
    # What only a low answer to an early question leads to is asked about the first response alone.
    assert re.findall(r'data-scale="answer-practice(\w?)-lacking"', second) == ["A"]
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', second))
    late = {f"answer-practice{letter}-quality": 50 for letter in "ABC"}
    best = {"answer-practice-extremes.1": 1, "answer-practice-extremes.2": 2, "answer-practiceA-lacking": 1}
    assert walker.post("practice/", **hidden, **late).status_code == 422
    assert walker.post("practice/", **hidden, **late, **best).status_code == 302
    assert walker.step == "rate"
    assert not Rating.objects.exists()


def test_a_part_that_is_repeated_has_both_steps_again(db: None) -> None:
    study = make_two_step_study(given_items=1, given_per_participant=1)
    Study.objects.filter(pk=study.pk).update(repeat_share=1.0)
    walker = Walker(study).begin()
    for kind in ("main", "repeat"):
        text = page(walker)
        assert walker.assignment.kind == kind
        assert walker.assignment.persona.text not in text
        press(walker)
        walker.complete()
    assert walker.step == "done"


def test_bots_take_both_steps_and_the_export_tells_them_apart(live_server: LiveServer) -> None:
    study = make_two_step_study(practice=1)
    for seed in ("a", "b", "c"):  # half of the bots save each answer by itself
        person = participant_create(study=study, kind=Participant.Kind.BOT)
        link = live_server.url + reverse("annotation:participant", args=[person.token])
        report = Bot(link, seed=seed).walk()
        assert (report.step, report.error) == ("done", "")
    tables = study_tables(study, include_bots=True)
    early = {row["aspect"]: row["before_persona"] for row in tables["ratings"].rows()}
    assert early == {"answerability": True, "preference": True, LATE: False}
    assert [column.name for column in tables["ratings"].columns][-1] == "before_persona"
    assert [column.name for column in tables["ratings_wide"].columns][-1] == "persona_shown_at"
    for row in tables["ratings_wide"].rows():
        assert row["shown_at"] < row["persona_shown_at"] < row["completed_at"]
    codebook = codebook_data(study, tables, counts=dict.fromkeys(tables, 0), command="test", include_bots=True)
    assert codebook_markdown(codebook).count("Asked before the persona was shown") == 2


def test_the_preview_of_a_draft_shows_both_steps(tmp_path: Path) -> None:
    made = definition(tmp_path, aspects=[QUALITY, rating_aspect()])
    assert [name for name in pages_of(made) if name.startswith("rate")] == ["rate_blind", "rate"]
    blind, whole = (sample_context(made, name)["task"] for name in ("rate_blind", "rate"))
    assert (blind.persona, [one.title for one in blind.questions]) == ("", ["Quality", "Quality"])
    assert whole.persona
    assert [one.is_fixed for one in whole.questions] == [True, False, True, False]


def test_a_persona_of_ones_own_is_not_shown_again_before_its_step(db: None) -> None:
    study = make_two_step_study(given_items=0, given_per_participant=0, written_items=1, written_per_participant=1)
    walker = Walker(study).begin()
    own = "The user collects zeppelins and prefers drawings."
    walker.write(own)
    make_ready()
    assert step_of(page(walker)) == "rate"
    assert "zeppelins" not in page(walker)
    press(walker)
    assert own in page(walker)
