"""Attention checks and planted pairs: how they are stored, shown, told and judged."""

import re
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from annotation.botattention import answer_key_of
from annotation.bots import Bot
from annotation.controls.results import CheckResult, check_results
from annotation.export import study_tables
from annotation.models import Aspect, Assignment, Event, Item, Output, Participant, Persona, Rating, Study
from annotation.protocol import definition_document, given_personas, problems_before_opening, protocol_hash
from annotation.services.participants import participant_create
from annotation.services.studies import study_save
from annotation.studyfile import read_study_file
from tests.annotation.controls import EXAMPLE, Worker, example, open_example, open_work, save_example
from tests.annotation.studyfiles import complaints, write
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def results(study: Study) -> list[CheckResult]:
    return check_results(study)


# --- The study file ---


def test_the_example_is_stored_as_it_is_written() -> None:
    definition = read_study_file(EXAMPLE)
    study = study_save(definition=definition, owner=make_user())
    assert definition_document(study) == definition.document()
    checks = study.aspects.filter(kind=Aspect.Kind.CHECK).values_list("part", "expected", "is_loud")
    assert list(checks) == [(2, 4, True), (5, 2, False)]


def test_a_planted_pair_becomes_two_ready_outputs_and_no_given_persona(tmp_path: Path) -> None:
    study = save_example(tmp_path)
    pair = Output.objects.filter(persona__item__key="planted-tea")
    assert {(output.planted, output.state, output.fingerprint) for output in pair} == {
        ("good", "ready", ""), ("bad", "ready", ""),
    }  # fmt: skip
    assert {output.arm.ordinal for output in pair} == {1, 2}
    assert not given_personas(study).filter(item__key="planted-tea").exists()
    assert not any("planted" in problem for problem in problems_before_opening(study))


def test_the_seed_draws_which_arms_place_the_bad_one_takes(tmp_path: Path) -> None:
    arms = set()
    for seed in range(12):
        design = {**example()["design"], "seed": seed}
        save_example(tmp_path, design=design)
        arms.add(Output.objects.get(planted="bad").arm.ordinal)
    assert arms == {1, 2}


def test_loading_again_takes_up_a_changed_pair_and_loses_nothing_else(tmp_path: Path) -> None:
    study = save_example(tmp_path)
    persona = given_personas(study).first()
    assert persona
    Output.objects.create(persona=persona, arm=study.arms.all()[0])
    planted = [{**example()["planted"][0], "bad": "Something else entirely."}]
    save_example(tmp_path, planted=planted)
    assert Output.objects.get(planted="bad").text == "Something else entirely."
    assert Output.objects.filter(planted="").count() == 1
    save_example(tmp_path, planted=None, exclusion_rules=None)
    assert not Item.objects.filter(key="planted-tea").exists()
    assert Persona.objects.filter(item__study=study).count() == 6


@pytest.mark.parametrize("changed", ["bad", "good", "persona"])
def test_the_hash_covers_what_is_planted(tmp_path: Path, changed: str) -> None:
    study = save_example(tmp_path)
    before = protocol_hash(study)
    if changed == "persona":
        Persona.objects.filter(item__key="planted-tea").update(text="x")
    else:
        Output.objects.filter(planted=changed).update(text="x")
    assert protocol_hash(study) != before


@pytest.mark.parametrize(
    ("section", "change", "complaint"),
    [
        ("checks", {"answer": 9}, "checks[0].answer: is 9, which the scale does not have; use one of 1, 2, 3, 4, 5"),
        ("checks", {"loud": "yes"}, "checks[0].loud: expected true or false, found 'yes'"),
        ("checks", {"part": 5}, "checks[1].part: is the part of checks[0] too; a part holds one check"),
        ("checks", {"sound": True}, "checks[0].sound: is not a key that a study file has here; did you mean `loud`?"),
        ("planted", {"aspect": "fit"}, "'fit' is no rating of this study; use one of answerability, personalization"),
        ("planted", {"id": "rain"}, "planted[0].id: 'rain' is the id of another item; ids must differ"),
        ("planted", {"bad": " "}, "planted[0].bad: is empty; write some text"),
    ],
)
def test_a_mistake_in_checks_and_pairs_is_named(
    tmp_path: Path, section: str, change: dict[str, object], complaint: str
) -> None:
    first, *others = example()[section]
    found = complaints(write(tmp_path, example(**{section: [{**first, **change}, *others]})))
    assert len(found) == 1
    assert complaint in found[0]


def test_rules_for_what_the_study_does_not_have_are_a_mistake(tmp_path: Path) -> None:
    found = complaints(write(tmp_path, example(checks=None, planted=None, quiz=None)))
    assert [line.split(": ")[1] for line in found] == [
        "exclusion_rules.failed_checks", "exclusion_rules.failed_planted", "exclusion_rules.failed_quiz",
    ]  # fmt: skip


# --- Attention checks on the page ---


def test_a_check_stands_in_its_part_only_and_looks_like_any_question(tmp_path: Path) -> None:
    worker = Worker(open_work(tmp_path)).begin()
    assert "read the questions" not in worker.get().content.decode()
    worker.reach(2)
    page = worker.get().content.decode()
    assert "Please choose “Very” here, so that we know that you read the questions." in page
    scales = re.findall(r'<fieldset class="([^"]+)"[^>]*data-scale', page)
    assert len(scales) == 5 and len(set(scales)) == 1
    assert not re.search(r"attention|check-|trap|catch", re.sub(r"checked", "", page))


def test_a_missed_loud_check_is_told_once_and_the_first_answer_stays(tmp_path: Path) -> None:
    study = open_work(tmp_path)
    worker = Worker(study).begin()
    assignment = worker.reach(2)
    field = worker.check_field()
    refused = worker.complete(**{field: 1})
    assert refused.status_code == 422
    assert "Please read one question again" in refused.content.decode()
    assert worker.complete(**{field: 4}).status_code == 302
    assignment.refresh_from_db()
    assert assignment.state == Assignment.State.COMPLETED
    answers = Rating.objects.filter(aspect__kind="check").order_by("version").values_list("value", flat=True)
    assert list(answers) == [1, 4]
    (result,) = results(study)
    assert (result.passed, result.told, result.first_answer, result.answer) == (False, True, 1, 4)


def test_who_misses_it_again_goes_on_all_the_same(tmp_path: Path) -> None:
    study = open_work(tmp_path)
    worker = Worker(study).begin()
    worker.reach(2)
    field = worker.check_field()
    assert [worker.complete(**{field: 1}).status_code for _ in range(2)] == [422, 302]
    assert Event.objects.filter(kind=Event.Kind.CHECK_MISSED).count() == 1
    assert [result.passed for result in results(study)] == [False]


def test_a_silent_check_is_never_told(tmp_path: Path) -> None:
    study = open_work(tmp_path)
    worker = Worker(study).begin()
    worker.reach(5)
    assert worker.complete(**{worker.check_field(): 5}).status_code == 302
    loud, planted, silent = results(study)
    assert (loud.passed, planted.passed, silent.passed, silent.told) == (True, True, False, False)


def test_a_check_has_to_be_answered_like_any_question(tmp_path: Path) -> None:
    worker = Worker(open_work(tmp_path)).begin()
    worker.reach(2)
    page = worker.complete(**{worker.check_field(): ""})
    assert page.status_code == 422
    assert "This page: One more question" in page.content.decode()
    assert not Event.objects.filter(kind=Event.Kind.CHECK_MISSED).exists()


# --- Planted pairs ---


@pytest.mark.parametrize(("good", "bad", "passed"), [(4, 1, True), (3, 3, False), (2, 5, False)])
def test_the_bad_one_of_a_pair_must_score_lower(tmp_path: Path, good: int, bad: int, passed: bool) -> None:
    study = open_work(tmp_path, checks=None)
    worker = Worker(study).begin()
    assignment = worker.reach(3)
    assert assignment.kind == Assignment.Kind.CHECK
    slots = assignment.slots.values_list("output__planted", "key")
    fields = {planted: f"answer-{key}-answerability" for planted, key in slots}
    worker.complete(**{fields["good"]: good, fields["bad"]: bad})
    (result,) = results(study)
    assert (result.kind, result.key, result.good, result.bad, result.passed) == (
        "planted", "planted-tea", good, bad, passed,
    )  # fmt: skip


def test_a_pair_takes_no_place_and_no_part_from_the_planned_ones(tmp_path: Path) -> None:
    worker = Worker(open_work(tmp_path)).begin()
    worker.reach(7)
    worker.complete()
    assert worker.step == "done"
    kinds = worker.participant.assignments.values_list("kind", flat=True)
    assert sorted(kinds) == ["check", *["main"] * 6]


# --- Exports ---


def test_exports_tell_checks_and_planted_answers_from_all_others(tmp_path: Path) -> None:
    study = open_work(tmp_path)
    worker = Worker(study).begin()
    worker.reach(4)
    tables = study_tables(study)
    ratings = list(tables["ratings"].rows())
    planted = [row for row in ratings if row["planted"]]
    assert len(planted) == 4
    assert {(row["assignment_kind"], row["arm"]) for row in planted} == {("check", None)}
    assert [row["expected"] for row in ratings if row["aspect_kind"] == "check"] == [4]
    assert all(row["arm"] for row in ratings if row["slot_kind"] == "output" and not row["planted"])
    wide = list(tables["ratings_wide"].rows())
    assert {row["assignment_kind"] for row in wide} == {"main"}
    assert not [name for name in wide[0] if "question-" in name]
    assert {row["arm"] for row in tables["outputs"].rows() if row["planted"]} == {None}
    checks = list(tables["checks"].rows())
    assert [(row["check_kind"], row["check"], row["passed"], row["ordinal"]) for row in checks] == [
        ("attention", "question-2", True, 2), ("planted", "planted-tea", True, 3),
    ]  # fmt: skip
    assert all(list(row) == [column.name for column in tables["checks"].columns] for row in checks)
    assert tables["checks"].count() == 2


# --- Bots ---


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("care", [1, 0])
def test_bots_walk_every_control(tmp_path: Path, live_server: LiveServer, care: int) -> None:
    study = open_example(tmp_path)
    for number in range(3):
        participant = participant_create(study=study, kind=Participant.Kind.BOT)
        address = live_server.url + reverse("annotation:participant", args=[participant.token])
        bot = Bot(address, seed=f"walk {number}", care=care, answer_key=answer_key_of(study))
        report = bot.walk()
        assert report.error == "", report.error
        assert report.step == "done" if care else report.step in ("done", "screened_out")
    if care:
        assert len(results(study)) == 9
        assert all(result.passed for result in results(study))
    else:
        failed = [result for result in results(study) if not result.passed]
        assert failed or study.participants.filter(screened_out_at__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_a_share_of_simulated_bots_can_be_careless(
    tmp_path: Path, live_server: LiveServer, capsys: pytest.CaptureFixture[str]
) -> None:
    study = open_example(tmp_path, quiz=None, exclusion_rules=None)
    call_command("simulate_study", study.slug, "--participants", "3", "--careless", "1", "--url", live_server.url)
    assert "3 completed" in capsys.readouterr().out
    assert len({result.participant_id for result in results(study) if not result.passed}) > 0


@pytest.mark.parametrize("share", ["-0.1", "1.5"])
def test_a_share_beyond_everybody_is_refused(share: str) -> None:
    with pytest.raises(CommandError, match="--careless is a share"):
        call_command("simulate_study", "controls", "--participants", "1", f"--careless={share}")
