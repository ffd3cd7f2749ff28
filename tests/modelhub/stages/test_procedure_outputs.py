"""Outputs of systems with a procedure, at every door where systems answer: what is asked, and what is kept of it."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.export import study_tables
from annotation.models import Output, Participant, Study
from annotation.protocol import protocol_hash
from annotation.services.withdrawal import participant_erase
from modelhub.models import Generation, PairOutput, Run, System, Trial
from modelhub.systems.registering import arms_bind
from modelhub.systems.trials import trials_request
from tests.factories import make_study, make_user
from tests.modelhub.live import write_persona
from tests.modelhub.pair_rows import make_pair, make_persona, make_system
from tests.tools.standin import BASE, StandIn

# A worker's heartbeat has a connection of its own, which a test's open transaction would lock out.
pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "The user is a zyxquilt and prefers songs."


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn().started() as server:
        yield server


def call(command: str, *arguments: str, **options: Any) -> str:
    said = io.StringIO()
    call_command(command, *arguments, stdout=said, **options)
    return said.getvalue()


def register(name: str, procedure: str, server: StandIn, *more: str, **decoding: Any) -> System:
    call(
        "register_system", name, "--engine", "openai", "--model", BASE, "--endpoint", server.url, "--no-try",
        "--decoding", json.dumps({"max_new_tokens": 32, **decoding}), *more,
        *(("--procedure", procedure) if procedure else ()),
    )  # fmt: skip
    return System.objects.get(name=name)


def make_rows(count: int = 4) -> None:
    inferring = make_system()
    for split in ("test", "sft_train"):
        for row in range(1, count + 1):
            make_persona(make_pair("BeaverTails", split, row), "chosen", inferring)


def generate(*more: str) -> str:
    return call("generate", "--dataset", "BeaverTails", "--split", "test", "--persona", "gold_chosen", *more)


@pytest.mark.parametrize("chat", [False, True])
def test_stored_pairs_are_answered_step_by_step_and_what_was_said_is_kept(server: StandIn, chat: bool) -> None:
    make_rows()
    register("refined", "self-refine", server, "--options", '{"concurrency": 2}', chat=chat)
    generate("--system", "refined", "--batch-size", "3")
    assert PairOutput.objects.count() == 4 and len(server.seen) == 12
    for output in PairOutput.objects.select_related("generation"):
        made = output.generation
        assert made is not None
        assert [one["step"] for one in made.steps] == ["draft", "feedback"]
        draft, feedback = (one["text"] for one in made.steps)
        assert len({draft, feedback, output.text}) == 3
        assert f"\nDraft: {draft}\n" in made.given_prompt and f"\n- {feedback}\nResponse:" in made.given_prompt
        assert output.persona in made.given_prompt
        assert (made.prompt_tokens, made.completion_tokens) == (27, 27)
        assert made.seconds is not None and made.seconds > sum(one["seconds"] for one in made.steps)
    assert Run.objects.get(stage="generate").usage["requests"] == 12


def test_a_prompted_system_stands_beside_few_shot_and_a_plain_one(server: StandIn) -> None:
    make_rows()
    source = ("--exemplars-from", "BeaverTails", "--shots", "2")
    for name, procedure, more in (
        ("plain", "", ()), ("rubric", "rubric", ()), ("near", "retrieved-exemplars", source),
        ("few-shot", "", ("--few-shot", "BeaverTails/sft_train", "--shots", "2")),
    ):  # fmt: skip
        register(name, procedure, server, *more)
    generate("--system", "plain", "rubric", "near", "few-shot")
    assert len(server.seen) == 4 * (1 + 2 + 1 + 1)
    near = Generation.objects.filter(system__name="near").first()
    assert near is not None and near.given_prompt.count("Prompt: ") == 3
    assert [sorted(one) for one in near.steps[0]["exemplars"]] == [["row", "score"]] * 2
    assert all(made.steps == [] for made in Generation.objects.filter(system__name__in=["plain", "few-shot"]))


def test_a_dry_run_shows_what_is_asked_first(server: StandIn) -> None:
    make_rows(1)
    register("rubric", "rubric", server)
    said = generate("--system", "rubric", "--dry-run")
    assert "Write the criteria by which this person" in said and "\nCriteria:\n" in said and not server.seen


def test_a_pair_whose_rubric_is_empty_has_no_output_and_the_reason_is_told(server: StandIn) -> None:
    make_rows(2)
    register("rubric", "rubric", server, "--options", '{"max_retries": 0}')
    server.mode = "empty"
    with pytest.raises(CommandError, match="rubric, at the rubric: The model returned an empty text. 2 rows"):
        generate("--system", "rubric")
    assert not PairOutput.objects.exists() and len(server.seen) == 2


@pytest.mark.parametrize("on", [("--on", "folder"), ("--on", "ray")])
def test_rows_that_take_several_requests_are_not_answered_elsewhere(
    server: StandIn, tmp_path: Path, on: tuple[str, ...]
) -> None:
    make_rows()
    register("rubric", "rubric", server)
    with pytest.raises(CommandError, match=r"'rubric' makes 2 requests for each output.*Leave out --on"):
        generate("--system", "rubric", *on, "--exchange", str(tmp_path / "exchange"))
    assert not (tmp_path / "exchange").exists()


def test_retrieved_exemplars_are_answered_elsewhere_like_any_single_request(server: StandIn, tmp_path: Path) -> None:
    make_rows()
    register("near", "retrieved-exemplars", server, "--exemplars-from", "BeaverTails", "--shots", "2")
    folder = str(tmp_path / "exchange")
    generate("--system", "near", "--on", "folder", "--exchange", folder)
    call("answer_requests", folder)
    generate("--system", "near", "--on", "folder", "--exchange", folder)
    assert PairOutput.objects.count() == 4
    assert {len(made.steps[0]["exemplars"]) for made in Generation.objects.all()} == {2}


def test_a_source_without_personas_is_refused_before_anything_is_asked(server: StandIn) -> None:
    make_rows()
    register("rubric", "rubric", server)
    with pytest.raises(CommandError, match="rubric: their procedures start from a persona"):
        generate("none", "--system", "rubric")
    assert not server.seen


def test_a_model_of_this_process_refines_too(tiny_llama: Path) -> None:
    make_rows(3)
    call(
        "register_system", "refined", "--engine", "transformers", "--model", str(tiny_llama), "--procedure",
        "self-refine", "--decoding", '{"max_new_tokens": 12}', "--options", '{"device": "cpu"}',
    )  # fmt: skip
    generate("--system", "refined", "--batch-size", "2")
    made = list(Generation.objects.all())
    assert len(made) == 3
    for one in made:
        assert [step["step"] for step in one.steps] == ["draft", "feedback"]
        assert one.completion_tokens == 3 * 12 and one.prompt_tokens and one.prompt_tokens > 150


# Studies


def live_study(server: StandIn, state: str = "open") -> Study:
    """Return a study for written personas: arm 1 answers by a rubric, arm 2 at once."""
    study = make_study(slug="live", given_items=0, written_items=3, given_per_participant=0, state="draft")
    register("rubric", "rubric", server)
    register("plain", "", server)
    arms_bind(study=study, bindings={"1": "rubric", "2": "plain"})
    if state == "open":
        open_as_it_is(study)
    return study


def open_as_it_is(study: Study) -> None:
    Study.objects.filter(pk=study.pk).update(state="open", protocol_hash=protocol_hash(study))
    study.refresh_from_db()


def work() -> None:
    call("run_worker", "--once")


def test_a_worker_answers_a_persona_that_was_just_written(server: StandIn) -> None:
    study = live_study(server)
    persona = write_persona(study, text=SECRET)
    work()
    assert set(Output.objects.filter(persona=persona).values_list("state", flat=True)) == {"ready"}
    rubric, plain = Generation.objects.order_by("output__arm__ordinal")
    assert [one["step"] for one in rubric.steps] == ["rubric"] and plain.steps == []
    assert f"- {rubric.steps[0]['text']}\n" in rubric.given_prompt and SECRET in rubric.given_prompt
    assert (rubric.completion_tokens, plain.completion_tokens) == (18, 9)
    assert rubric.output is not None and rubric.output.text not in rubric.steps[0]["text"]


def test_a_worker_retrieves_exemplars_for_a_persona_that_was_just_written(server: StandIn) -> None:
    inferring = make_system()
    for row, what in enumerate(("a nurse", "a sailor", "a zyxquilt"), start=1):
        make_persona(make_pair("advice", "sft_train", row), "chosen", inferring, f"The user is {what} and likes tea.")
    study = live_study(server, state="draft")
    register("near", "retrieved-exemplars", server, "--exemplars-from", "advice", "--shots", "1")
    arms_bind(study=study, bindings={"1": "near"})
    open_as_it_is(study)
    write_persona(study, text=SECRET)
    work()
    near = Generation.objects.get(system__name="near")
    assert (
        near.steps[0]["exemplars"][0]["row"] == 3 and "Persona: The user is a zyxquilt and likes" in near.given_prompt
    )


def test_a_model_in_the_workers_process_refines_a_persona_that_was_just_written(tiny_llama: Path) -> None:
    study = make_study(slug="live", given_items=0, written_items=3, given_per_participant=0, state="draft")
    for name, more in (("refined", ("--procedure", "self-refine")), ("plain", ())):
        call(
            "register_system", name, "--engine", "transformers", "--model", str(tiny_llama), "--persona-style",
            "system_message", "--decoding", '{"max_new_tokens": 12, "chat": true}', "--options", '{"device": "cpu"}',
            *more,
        )  # fmt: skip
    arms_bind(study=study, bindings={"1": "refined", "2": "plain"})
    open_as_it_is(study)
    persona = write_persona(study, text=SECRET)
    work()
    assert set(Output.objects.filter(persona=persona).values_list("state", flat=True)) == {"ready"}
    refined = Generation.objects.get(system__name="refined")
    assert [one["step"] for one in refined.steps] == ["draft", "feedback"] and refined.completion_tokens == 3 * 12
    # The last request has the persona as a system message, as the draft had.
    assert refined.given_prompt.startswith(f"Answer in the way that suits this user best. {SECRET}\n\nPrompt: ")


def test_an_empty_rubric_is_an_attempt_that_failed_and_says_so(server: StandIn) -> None:
    study = live_study(server)
    server.mode = "filtered"
    persona = write_persona(study)
    work()
    output = Output.objects.get(persona=persona, arm__ordinal=1)
    assert output.state == "failed"
    assert output.error == "rubric, at the rubric: The server's content filter withheld the answer."


def test_what_was_said_on_the_way_is_in_the_unblinded_export_alone_and_goes_with_its_author(
    server: StandIn, tmp_path: Path
) -> None:
    study = live_study(server)
    persona = write_persona(study, text=SECRET)
    work()
    rubric = Generation.objects.get(system__name="rubric").steps[0]["text"]
    owner = make_user("root", is_superuser=True)
    call("export_unblinded", study.slug, "--out", str(tmp_path), "--user", owner.username)
    with (tmp_path / "outputs_unblinded.csv").open(encoding="utf-8", newline="") as handle:
        rows = {row["system"]: row for row in csv.DictReader(handle)}
    assert list(rows["plain"])[-2:] == ["procedure", "steps"]
    assert (rows["plain"]["procedure"], rows["plain"]["steps"]) == ("", "")
    assert rows["rubric"]["procedure"] == "rubric"
    assert json.loads(rows["rubric"]["steps"])[0]["text"] == rubric
    blinded = study_tables(study)
    assert not any(rubric in str(row) for table in blinded.values() for row in table.rows())
    participant_erase(participant=Participant.objects.get(personas=persona))
    assert not Generation.objects.exists()


def test_a_trial_follows_the_procedure_and_says_where_there_is_no_persona(server: StandIn) -> None:
    study = live_study(server, state="draft")
    user = make_user("root", is_superuser=True)
    trials_request(study=study, user=user, prompt="How do I sleep?", persona=SECRET)
    work()
    assert len(server.seen) == 3 and not Trial.objects.exclude(error="").exists()
    trials_request(study=study, user=user, prompt="How do I sleep?", persona="")
    work()
    plain, rubric = Trial.objects.order_by("system__name")
    assert plain.text and not plain.error
    assert rubric.error == "System 'rubric' follows rubric, and there is no persona to do it for."
