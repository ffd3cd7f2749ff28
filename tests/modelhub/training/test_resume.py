"""A training that was interrupted goes on from its last checkpoint, to the result it would have had."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from annotation.errors import ServiceError
from modelhub.engines.digests import MANIFEST
from modelhub.training import trainer
from modelhub.training.dpo import train_dpo
from modelhub.training.job import FolderState, folder_state, last_checkpoint
from modelhub.training.sft import train_sft
from modelhub.training.trainer import LogEntry, Watch
from tests.modelhub.engines.spoiling import spoiled, without
from tests.modelhub.training.making import interrupted, make_job, same_weights


def break_at(step: int, then: Callable[[], object] = lambda: None) -> Watch:
    """Fail at a step as the library that writes checkpoints does on a full disk."""

    def logged(entry: LogEntry) -> None:
        if entry.step >= step:
            then()
            raise RuntimeError("unexpected pos 154176 vs 154068")

    return Watch(logged=logged)


def test_sft_goes_on_to_the_same_adapter(tiny_llama: Path, sft_folder: Path, tmp_path: Path) -> None:
    job = make_job("sft", tiny_llama, tmp_path / "out")
    interrupted(train_sft, job)
    assert folder_state(job) == FolderState.UNFINISHED
    result = train_sft(job)
    assert (result.resumed_at, result.steps) == (6, 9)
    assert same_weights(job.out, sft_folder)


def test_sft_with_dropout_goes_on_to_the_same_adapter(tiny_llama: Path, tmp_path: Path) -> None:
    whole = make_job("sft", tiny_llama, tmp_path / "whole", "lora.dropout=0.2")
    train_sft(whole)
    job = replace(whole, out=tmp_path / "out")
    interrupted(train_sft, job)
    assert train_sft(job).resumed_at == 6
    assert same_weights(job.out, whole.out)


def test_dpo_goes_on_to_the_same_adapter(tiny_llama: Path, sft_folder: Path, dpo_folder: Path, tmp_path: Path) -> None:
    # With a copy of the reference in the checkpoint, the policy would begin again at the SFT model.
    job = make_job("dpo", tiny_llama, tmp_path / "out", sft=sft_folder)
    interrupted(train_dpo, job)
    assert train_dpo(job).resumed_at == 6
    assert same_weights(job.out, dpo_folder)
    assert not same_weights(job.out, sft_folder)


def test_a_half_written_checkpoint_is_passed_over(tiny_llama: Path, sft_folder: Path, tmp_path: Path) -> None:
    job = make_job("sft", tiny_llama, tmp_path / "out")
    interrupted(train_sft, job)
    (job.checkpoints / "checkpoint-6" / "trainer_state.json").write_text('{"global_step": 6, ')
    assert last_checkpoint(job) == job.checkpoints / "checkpoint-3"
    assert train_sft(job).resumed_at == 3
    assert same_weights(job.out, sft_folder)


def test_a_half_written_checkpoint_is_gone_before_training_goes_on(tiny_llama: Path, tmp_path: Path) -> None:
    # The trainer would count it among those it keeps.
    job = make_job("sft", tiny_llama, tmp_path / "out")
    interrupted(train_sft, job)
    (job.checkpoints / "checkpoint-6" / "trainer_state.json").unlink()
    interrupted(train_sft, job, step=4)
    assert [path.name for path in job.checkpoints.glob("checkpoint-*")] == ["checkpoint-3"]


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_training_does_not_go_on_from_half_a_checkpoint(
    tiny_llama: Path, sft_folder: Path, tmp_path: Path, kind: str
) -> None:
    train, job = (
        {"sft": train_sft, "dpo": train_dpo}[kind],
        make_job(kind, tiny_llama, tmp_path / "out", sft=sft_folder),
    )
    interrupted(train, job)
    newest = job.checkpoints / "checkpoint-6"
    newest.rename(tmp_path / "newest")
    spoiled(tmp_path / "newest", newest, without("layers.1"))
    with pytest.raises(ServiceError, match=f"{newest} does not fit this base as a whole: of its weights, .* missing"):
        train(job)


def test_what_was_logged_before_is_told_again_so_that_curves_are_whole(tiny_llama: Path, tmp_path: Path) -> None:
    job = make_job("sft", tiny_llama, tmp_path / "out")
    interrupted(train_sft, job)
    entries: list[LogEntry] = []
    started: list[tuple[int, int]] = []
    train_sft(job, Watch(lambda total, done: started.append((total, done)), entries.append))
    assert started == [(9, 6)]
    assert [(one.kind, one.step) for one in entries if one.kind == "eval"] == [("eval", 3), ("eval", 6), ("eval", 9)]
    assert [one.step for one in entries if one.kind == "train"] == list(range(1, 10))


def test_a_training_that_ended_before_its_manifest_only_writes_it(
    tiny_llama: Path, sft_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    job = make_job("sft", tiny_llama, tmp_path / "out")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("modelhub.training.trainer._best", killed)
        train_sft(job)
    assert train_sft(job).resumed_at == 9
    assert same_weights(job.out, sft_folder)


def test_the_best_checkpoint_stays_until_every_process_has_loaded_it(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, waits = make_job("sft", tiny_llama, tmp_path / "out"), list[bool]()
    train = trainer._train

    def trained(*given: Any) -> None:
        train(*given)
        waits.clear()

    monkeypatch.setattr(trainer, "_train", trained)
    monkeypatch.setattr(
        "accelerate.Accelerator.wait_for_everyone", lambda self: waits.append(any(job.checkpoints.glob("*/*.json")))
    )
    train_sft(job)
    assert waits[0] and not waits[-1]


def test_the_folder_of_another_job_is_refused_with_what_differs(tiny_llama: Path, tmp_path: Path) -> None:
    job = make_job("sft", tiny_llama, tmp_path / "out")
    interrupted(train_sft, job)
    other = make_job("sft", tiny_llama, tmp_path / "out", "sft.learning_rate=1e-3", seed=4, train=job.train[:8])
    with pytest.raises(ServiceError) as caught:
        train_sft(other)
    message = str(caught.value)
    assert "belongs to another training" in message
    for part in ("seed: 0 there, 4 here", "recipe.sft.learning_rate: 0.005 there, 0.001 here", "train.examples: 12"):
        assert part in message


def test_a_folder_in_which_nothing_was_trained_yet_may_be_another_trainings(tiny_llama: Path, tmp_path: Path) -> None:
    job = make_job("sft", tiny_llama, tmp_path / "out")
    interrupted(train_sft, job, step=1)
    other = replace(job, seed=4)
    assert folder_state(other) == FolderState.NEW
    interrupted(train_sft, other)
    with pytest.raises(ServiceError, match="belongs to another training"):
        folder_state(job)


def test_an_adapter_that_lost_its_manifest_is_not_written_over(
    tiny_llama: Path, sft_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(sft_folder, tmp_path / "out")
    (tmp_path / "out" / MANIFEST).unlink()
    with pytest.raises(ServiceError, match="belongs to another training"):
        train_sft(make_job("sft", tiny_llama, tmp_path / "out", seed=4))


def test_a_folder_with_something_else_in_it_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ServiceError, match="holds something else"):
        train_sft(make_job("sft", tiny_llama, tmp_path))
    with pytest.raises(ServiceError, match="is a file"):
        train_sft(make_job("sft", tiny_llama, tmp_path / "notes.txt"))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_finished_training_is_not_done_again(tiny_llama: Path, sft_folder: Path) -> None:
    job = make_job("sft", tiny_llama, sft_folder)
    assert folder_state(job) == FolderState.FINISHED
    with pytest.raises(ServiceError, match="finished"):
        train_sft(job)


def test_a_model_that_has_moved_is_the_same_model(tiny_llama: Path, sft_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_llama, tmp_path / "moved")
    assert folder_state(make_job("sft", tmp_path / "moved", sft_folder)) == FolderState.FINISHED


def test_a_disk_that_fills_up_is_named_and_training_goes_on_when_there_is_room(
    tiny_llama: Path, sft_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job("sft", tiny_llama, tmp_path / "out")
    full = shutil.disk_usage(tmp_path)._replace(free=0)
    with monkeypatch.context() as patch, pytest.raises(ServiceError, match=r"The disk of .*out is full: unexpected"):
        train_sft(job, break_at(8, lambda: patch.setattr(shutil, "disk_usage", lambda path: full)))
    assert train_sft(job).resumed_at == 6
    assert same_weights(job.out, sft_folder)


def test_an_error_with_room_on_the_disk_is_not_blamed_on_it(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="unexpected pos"):
        train_sft(make_job("sft", tiny_llama, tmp_path / "out"), break_at(2))
