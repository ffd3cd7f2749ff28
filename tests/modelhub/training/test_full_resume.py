"""A training of all weights that was interrupted goes on as if it had not been, and its checkpoints stay small."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from annotation.errors import ServiceError
from modelhub.training.dpo import train_dpo
from modelhub.training.job import TrainingJob, last_checkpoint
from modelhub.training.sft import train_sft
from modelhub.training.trainer import LogEntry, Watch
from tests.modelhub.engines.spoiling import spoiled, without
from tests.modelhub.training.making import examples, interrupted, make_job, same_weights

FULL = ("lora.enabled=false", "sft.learning_rate=2e-3", "dpo.learning_rate=1e-4")


def jobs(kind: str, base: Path, folder: Path) -> tuple[Callable[..., object], TrainingJob, TrainingJob]:
    """Return what trains, and the same job in two folders; for DPO with an SFT model to go on from."""
    sft = folder / "sft"
    if kind == "dpo":
        train_sft(make_job("sft", base, sft, *FULL, "sft.epochs=1"))
    train = {"sft": train_sft, "dpo": train_dpo}[kind]
    one, other = (make_job(kind, base, folder / name, *FULL, sft=sft) for name in ("whole", "interrupted"))
    return train, one, other


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_it_goes_on_to_the_same_model(tiny_llama: Path, tmp_path: Path, kind: str) -> None:
    train, whole, job = jobs(kind, tiny_llama, tmp_path)
    train(whole)
    interrupted(train, job)
    assert train(job).resumed_at == 6  # type: ignore[attr-defined]
    assert same_weights(job.out, whole.out)


def test_training_does_not_go_on_from_half_a_model(tiny_llama: Path, tmp_path: Path) -> None:
    job = make_job("sft", tiny_llama, tmp_path / "out", *FULL)
    interrupted(train_sft, job)
    newest = job.checkpoints / "checkpoint-6"
    newest.rename(tmp_path / "newest")
    spoiled(tmp_path / "newest", newest, without("layers.1"))
    with pytest.raises(ServiceError, match=f"{newest} does not load whole .* 9 missing from its files"):
        train_sft(job)


def test_a_best_checkpoint_that_lost_weights_is_noticed_too(tiny_llama: Path, tmp_path: Path) -> None:
    job = make_job("sft", tiny_llama, tmp_path / "out", *FULL)
    interrupted(train_sft, job)
    older = job.checkpoints / "checkpoint-3"
    weights = older / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ServiceError, match=f"The model in {older} cannot be read"):
        train_sft(job)


def test_only_the_newest_checkpoint_keeps_the_optimizer_and_only_from_it_training_goes_on(
    tiny_llama: Path, tmp_path: Path
) -> None:
    job = make_job("sft", tiny_llama, tmp_path / "out", *FULL)
    interrupted(train_sft, job)
    assert sorted(path.parent.name for path in job.checkpoints.glob("*/model.safetensors")) == [
        "checkpoint-3", "checkpoint-6",
    ]  # fmt: skip
    assert [path.parent.name for path in job.checkpoints.glob("*/optimizer.pt")] == ["checkpoint-6"]
    (job.checkpoints / "checkpoint-6" / "trainer_state.json").unlink()
    assert last_checkpoint(job) is None
    assert train_sft(job).resumed_at == 0


def test_the_best_model_is_kept_when_later_epochs_make_it_worse(tiny_llama: Path, tmp_path: Path) -> None:
    # What is learned in training makes the responses that are validated on less and less likely.
    others = [replace(one, response=one.other) for one in examples(12, 16)]
    job = make_job("sft", tiny_llama, tmp_path / "out", *FULL, validation=others)
    losses: list[float] = []

    def logged(entry: LogEntry) -> None:
        if entry.kind == "eval":
            losses.append(float(entry.values["eval_loss"] or 0))
            if entry.step == 9:
                shutil.copytree(
                    job.checkpoints / f"checkpoint-{3 * (losses.index(min(losses)) + 1)}", tmp_path / "best"
                )

    result = train_sft(job, Watch(logged=logged))
    assert result.best_step < result.steps == 9
    assert same_weights(job.out, tmp_path / "best")
