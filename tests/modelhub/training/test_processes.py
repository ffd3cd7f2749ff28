"""Training commands as real processes: killed, and several together."""

from pathlib import Path

import psutil
import pytest

from modelhub.models import Run, TrainingLog
from modelhub.training.manifest import read_manifest
from tests.modelhub.training.making import same_weights, weights
from tests.modelhub.training.stored import store_pairs, train
from tests.tools.processes import ProjectProcess, free_port, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

_COMMON = ["--dataset", "tiny", "--recipe", "tiny"]
_ALL_WEIGHTS = ["lora.enabled=false", "sft.learning_rate=1e-3"]


def launched(configuration: str) -> list[str]:
    """Return what starts a script in two processes by a configuration of deploy/accelerate."""
    return [
        "-m", "accelerate.commands.launch", "--config_file", f"deploy/accelerate/{configuration}.yaml",
        "--main_process_port", str(free_port()),
    ]  # fmt: skip


def finished(process: ProjectProcess) -> None:
    """Run a process to its end."""
    process.start()
    assert process.process is not None
    assert process.process.wait(timeout=240) == 0, process.output()


def kill_workers(launcher: ProjectProcess) -> None:
    """Send SIGKILL to what a launcher has started, each in a session of its own, and wait for the launcher to end."""
    assert launcher.process is not None
    for worker in psutil.Process(launcher.process.pid).children(recursive=True):
        worker.kill()
    launcher.process.wait(timeout=60)


@pytest.mark.parametrize("more", [[], _ALL_WEIGHTS], ids=["adapter", "all weights"])
def test_a_killed_training_goes_on_to_the_adapter_or_model_it_would_have_made(
    tiny_llama: Path, tmp_path: Path, transactional_db: None, more: list[str]
) -> None:
    store_pairs()
    settings = ["sft.epochs=60", *more]
    options = {"base": str(tiny_llama), "set": settings}
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = ["manage.py", "train_sft", *_COMMON, "--base", str(tiny_llama)]
    command += [part for one in settings for part in ("--set", one)]
    process = ProjectProcess([*command, "--out", str(killed)], tmp_path / "log")
    process.start()
    state = killed / "checkpoints" / "checkpoint-6" / "trainer_state.json"
    wait_until(state.exists, seconds=120, what="The second checkpoint")
    process.kill9()
    assert not (killed / "training.json").exists(), "It was done before it could be killed."
    train("train_sft", out=str(killed), **options)
    train("train_sft", out=str(whole), **options)
    assert same_weights(killed, whole, tolerance=1e-6)
    states = list(Run.objects.filter(stage="train_sft").order_by("pk").values_list("state", flat=True))
    assert states == ["lost", "finished", "finished"]


def test_two_processes_train_one_adapter_and_one_of_them_talks(
    tiny_llama: Path, tmp_path: Path, transactional_db: None
) -> None:
    store_pairs()
    train("train_sft", base=str(tiny_llama), out=str(tmp_path / "sft"))
    process = ProjectProcess(
        [*launched("ddp-cpu"), "manage.py", "train_dpo", *_COMMON, "--sft", str(tmp_path / "sft"),
         "--out", str(tmp_path / "two"), "--set", "dpo.batch_size=2"],
        tmp_path / "log",
    )  # fmt: skip
    finished(process)
    assert process.output().count("12 training and 4 validation examples") == 1
    manifest = read_manifest(tmp_path / "two")
    assert (manifest["processes"], manifest["effective_batch_size"]) == (2, 4)
    run = Run.objects.get(stage="train_dpo")
    assert (run.state, run.total, run.done) == (Run.State.FINISHED, 9, 9)
    assert TrainingLog.objects.filter(run=run, kind="eval").count() == 3
    # Two halves of a batch in two processes make the step that one process makes of the whole.
    train("train_dpo", sft=str(tmp_path / "sft"), out=str(tmp_path / "one"), set=["dpo.batch_size=4"])
    assert manifest["steps"] == read_manifest(tmp_path / "one")["steps"]
    assert manifest["best"]["eval_loss"] == pytest.approx(
        read_manifest(tmp_path / "one")["best"]["eval_loss"], rel=0.05
    )


@pytest.mark.parametrize("more", [[], _ALL_WEIGHTS], ids=["adapter", "all weights"])
def test_processes_that_share_the_weights_in_pieces_go_on_to_what_whole_ones_make(
    tiny_llama: Path, tmp_path: Path, transactional_db: None, more: list[str]
) -> None:
    store_pairs()
    command = ["manage.py", "train_sft", *_COMMON, "--base", str(tiny_llama)]
    command += [part for one in ("sft.epochs=10", "sft.batch_size=2", *more) for part in ("--set", one)]
    pieces, whole = tmp_path / "pieces", tmp_path / "whole"
    in_pieces = [*launched("fsdp"), "-m", "tests.tools.pieces", *command, "--out", str(pieces)]
    killed = ProjectProcess(in_pieces, tmp_path / "log")
    killed.start()
    checkpoints = pieces / "checkpoints"  # any of them: those after the first soon take each other's places
    wait_until(lambda: any(checkpoints.glob("*/trainer_state.json")), seconds=120, what="A checkpoint")
    kill_workers(killed)
    assert any(checkpoints.glob("*/pytorch_model_fsdp.bin")), "The weights were not in pieces."
    assert not (pieces / "training.json").exists(), "It was done before it could be killed."
    finished(ProjectProcess(in_pieces, tmp_path / "log"))
    finished(ProjectProcess([*launched("ddp-cpu"), *command, "--out", str(whole)], tmp_path / "log"))
    made, expected = weights(pieces), weights(whole)
    made.pop("lm_head.weight", None)  # the embeddings once more: pieces that are put together no longer share them
    assert set(made) == set(expected)
    assert max(float((made[name] - expected[name]).abs().max()) for name in expected) < 1e-4
    states = list(Run.objects.filter(stage="train_sft").order_by("pk").values_list("state", flat=True))
    assert states == ["lost", "finished", "finished"]
