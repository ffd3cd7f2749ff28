"""train_sft, train_dpo and merge_adapter: from stored pairs to registered systems, with their runs."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from annotation.errors import ServiceError
from modelhub.models import InferredPersona, RetrievedPersona, Run, System, TrainingLog
from modelhub.runs.lifecycle import run_start
from modelhub.training.manifest import read_manifest
from tests.modelhub.pair_rows import make_pair, make_system
from tests.modelhub.training.stored import pairs_of, store_pairs, train
from tests.modelhub.verdict_rows import add_checks

pytestmark = pytest.mark.django_db


def said(command: str, **options: Any) -> str:
    out = StringIO()
    train(command, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def base(tiny_llama: Path) -> str:
    store_pairs()
    return str(tiny_llama)


def test_both_trainings_run_from_stored_pairs_and_give_a_system(base: str, tmp_path: Path) -> None:
    told = said("train_sft", base=base, out=str(tmp_path / "sft"))
    assert "tiny: 12 training and 4 validation examples." in told
    assert "nothing had to be shortened" in told
    assert "9 steps." in told and "validation loss" in told
    told = said("train_dpo", sft=str(tmp_path / "sft"), out=str(tmp_path / "dpo"), register="PT_dpo")
    assert "Registered PT_dpo (field)" in told
    system = System.objects.get(name="PT_dpo")
    assert (system.engine, system.model, system.adapter) == ("transformers", base, str(tmp_path / "dpo"))
    manifest = read_manifest(tmp_path / "dpo")
    assert manifest["data"]["inferring_system"] == "inferrer"
    assert manifest["data"]["train"]["split"] == "dpo_train"
    assert manifest["parent"]["name"] == str(tmp_path / "sft")


def test_the_run_counts_its_steps_and_keeps_its_log_and_configuration(base: str, tmp_path: Path) -> None:
    said("train_sft", base=base, out=str(tmp_path / "sft"), set=["sft.learning_rate=1e-3"])
    run = Run.objects.get(stage="train_sft")
    assert (run.state, run.total, run.done) == (Run.State.FINISHED, 9, 9)
    assert run.arguments["recipe"]["sft"]["learning_rate"] == 1e-3
    assert run.arguments["data"]["train"] == read_manifest(tmp_path / "sft")["data"]["train"]
    assert run.arguments["shortened"]["train"]["prompts"] == 0
    assert run.usage["best_step"] == 9
    logs = TrainingLog.objects.filter(run=run)
    assert [log.step for log in logs.filter(kind="train")] == list(range(1, 10))
    losses = [log.values["eval_loss"] for log in logs.filter(kind="eval")]
    assert losses == sorted(losses, reverse=True) and len(losses) == 3


def test_a_finished_training_given_again_does_nothing(base: str, tmp_path: Path) -> None:
    said("train_sft", base=base, out=str(tmp_path / "sft"))
    before = (tmp_path / "sft" / "training.json").stat().st_mtime_ns
    told = said("train_sft", base=base, out=str(tmp_path / "sft"), register="sft")
    assert "finished. Nothing was done." in told
    assert (tmp_path / "sft" / "training.json").stat().st_mtime_ns == before
    assert Run.objects.filter(stage="train_sft").count() == 1
    assert System.objects.filter(name="sft").exists()


def test_the_baseline_sees_no_persona_and_is_registered_for_the_first_person(base: str, tmp_path: Path) -> None:
    InferredPersona.objects.all().delete()
    told = said("train_sft", base=base, out=str(tmp_path / "sft"), personas="none", dry_run=True)
    assert "Persona:" not in told
    said("train_sft", base=base, out=str(tmp_path / "sft"), personas="none")
    said("train_dpo", sft=str(tmp_path / "sft"), out=str(tmp_path / "dpo"), personas="none", register="DPO")
    assert System.objects.get(name="DPO").persona_style == "first_person"


def test_dpo_refuses_the_sft_model_of_the_other_arm(base: str, tmp_path: Path) -> None:
    said("train_sft", base=base, out=str(tmp_path / "plain"), personas="none")
    with pytest.raises(CommandError, match='personas: "none" there, "chosen" here'):
        said("train_dpo", sft=str(tmp_path / "plain"), out=str(tmp_path / "dpo"))
    assert not (tmp_path / "dpo").exists()
    assert not Run.objects.filter(stage="train_dpo").exists()


def test_a_dry_run_shows_configuration_counts_and_two_examples_and_makes_nothing(base: str, tmp_path: Path) -> None:
    told = said("train_sft", base=base, out=str(tmp_path / "sft"), dry_run=True, set=["sft.epochs=7"])
    assert '"epochs": 7' in told
    assert told.count("[prompt] Prompt: ") == 2 and told.count("[completion]  First, get ready") == 2
    assert "\nPersona: The user is chosen and prefers steps.\nResponse:" in told
    assert "12 training and 4 validation examples" in told
    assert not (tmp_path / "sft").exists()
    assert not Run.objects.filter(stage="train_sft").exists()


@pytest.mark.parametrize(("personas", "examples"), [("rejected", 12), ("all", 24)])
def test_training_personas_decide_which_response_is_better(
    base: str, tmp_path: Path, personas: str, examples: int
) -> None:
    told = said("train_sft", base=base, out=str(tmp_path / "sft"), personas=personas, dry_run=True)
    assert f"{examples} training" in told
    assert "prefers steps.\nResponse:\n[completion]  In short: " in told


def test_rows_without_a_persona_are_named_and_left_out_only_on_request(base: str, tmp_path: Path) -> None:
    InferredPersona.objects.filter(pair__in=pairs_of("sft_train")[:2], direction="chosen").update(text="")
    InferredPersona.objects.filter(pair=pairs_of("sft_val")[0], direction="chosen").delete()
    with pytest.raises(CommandError) as caught:
        said("train_sft", base=base, out=str(tmp_path / "sft"))
    for part in ("3 rows", "tiny/sft_train row 1: no chosen persona", "tiny/sft_val row 1", "--allow-missing"):
        assert part in str(caught.value)
    told = said("train_sft", base=base, out=str(tmp_path / "sft"), allow_missing=True, dry_run=True)
    assert "10 training and 3 validation" in told
    assert "Left out: 3 rows" in told and "tiny/sft_train row 2" in told


def test_retrieved_personas_are_those_of_the_row_that_was_found(base: str, tmp_path: Path) -> None:
    run = run_start(stage="retrieve", arguments={})
    for split in ("sft_train", "sft_val"):
        pairs = pairs_of(split)
        for pair in pairs:
            source = next(one for one in pairs_of("sft_train") if one.pk != pair.pk)
            RetrievedPersona.objects.create(pair=pair, source=source, retriever="r1", rank=1, run=run)
    first = pairs_of("sft_train")[0]
    InferredPersona.objects.filter(pair=first, direction="chosen").update(text="The user is found.")
    told = said("train_sft", base=base, out=str(tmp_path / "sft"), persona_source="retrieved", dry_run=True)
    assert told.count("Persona: The user is found.") == 1  # the second row's; the first one never finds itself


def test_validation_pairs_that_are_trained_on_are_counted(base: str, tmp_path: Path) -> None:
    pair = pairs_of("sft_train")[0]
    again = make_pair("tiny", "sft_val", 5, prompt=pair.prompt, chosen=pair.chosen, rejected=pair.rejected)
    assert again.key == pair.key
    told = said("train_sft", base=base, out=str(tmp_path / "sft"), allow_missing=True, dry_run=True)
    assert "1 validation pairs are training pairs too." in told


def test_a_limit_takes_the_first_rows(base: str, tmp_path: Path) -> None:
    told = said("train_sft", base=base, out=str(tmp_path / "sft"), limit=3, dry_run=True)
    assert "3 training and 3 validation examples" in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"set": ["sft.epoch=3"]}, "sft.epoch: is not known"),
        ({"dataset": "other"}, "There is no data set called 'other'"),
        ({"train_split": "trian"}, "has no split trian"),
        ({"system": "nobody"}, "There is no system called 'nobody'"),
        ({"persona_source": "retrieved"}, "Nothing was retrieved"),
        ({"base": "/no/such/model"}, "There is no model folder"),
        ({"set": ["sft.max_length=32"]}, "labels and persona take"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    base: str, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        said("train_sft", **{"base": base, "out": str(tmp_path / "sft"), **options})
    assert not (tmp_path / "sft").exists()
    assert not Run.objects.filter(stage="train_sft").exists()


def test_a_bare_name_is_a_folder_of_models(base: str, settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    said("train_sft", base=base, out="one", set=["sft.epochs=1"])
    out = StringIO()
    train_merge("one", "two", out)
    assert (tmp_path / "models" / "two" / "model.safetensors").is_file()
    assert "Merged into" in out.getvalue()
    with pytest.raises(CommandError, match="exists already"):
        train_merge("one", "two", out)


def train_merge(adapter: str, out: str, stdout: StringIO) -> None:
    from django.core.management import call_command

    call_command("merge_adapter", adapter, out, stdout=stdout)


def test_an_error_in_training_closes_the_run_as_failed(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_number(state: object) -> dict[str, Any]:
        raise ServiceError("No validation loss was a number.")

    monkeypatch.setattr("modelhub.training.trainer._best", no_number)
    with pytest.raises(CommandError, match="No validation loss"):
        said("train_sft", base=base, out=str(tmp_path / "sft"))
    run = Run.objects.get(stage="train_sft")
    assert (run.state, run.message) == (Run.State.FAILED, "No validation loss was a number.")


def test_ctrl_c_stops_the_run_and_the_same_command_goes_on(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelhub.stages.shared.training import _TrainingProgress
    from modelhub.training.trainer import LogEntry

    logged = _TrainingProgress.logged

    def interrupt(self: _TrainingProgress, entry: LogEntry) -> None:
        logged(self, entry)
        if entry.step == 8:
            raise KeyboardInterrupt

    with (
        monkeypatch.context() as patch,
        pytest.raises(CommandError, match="goes on from the last checkpoint") as caught,
    ):
        patch.setattr(_TrainingProgress, "logged", interrupt)
        said("train_sft", base=base, out=str(tmp_path / "sft"))
    assert caught.value.returncode == 130
    told = said("train_sft", base=base, out=str(tmp_path / "sft"))
    assert "9 steps, of which 6 are done already." in told
    stopped, finished = Run.objects.filter(stage="train_sft").order_by("pk")
    assert (stopped.state, stopped.done) == (Run.State.STOPPED, 8)
    assert (finished.state, finished.total, finished.done) == (Run.State.FINISHED, 3, 3)
    assert [log.step for log in finished.training_logs.filter(kind="train")] == list(range(1, 10))


def test_only_personas_of_the_quality_asked_for_are_learned_from(base: str, tmp_path: Path) -> None:
    InferredPersona.objects.filter(pair__split="sft_train", pair__row__lte=3, direction="rejected").update(
        flags=[{"kind": "harm", "detail": "x"}]
    )
    options = {"base": base, "out": str(tmp_path / "sft"), "personas": "all", "dry_run": True}
    assert "24 training and 8 validation examples" in said("train_sft", **options)
    told = said("train_sft", **options, persona_quality="unflagged")
    assert "21 training and 8 validation" in told and "quality of their personas (unflagged): 3." in told

    rejected = InferredPersona.objects.filter(pair__split="sft_train", direction="rejected").order_by("pair__row")
    judge = make_system("judge")
    validation = InferredPersona.objects.filter(pair__split="sft_val", direction="chosen")[0]
    for persona, outcome in ((rejected[5], "++"), (rejected[6], "+-"), (rejected[0], "++"), (validation, "++")):
        add_checks(persona, judge, outcome)
    told = said("train_sft", **options, persona_quality="checked")
    assert "1 training and 1 validation" in told
    assert "rejected" in told.split("[prompt]")[1]
