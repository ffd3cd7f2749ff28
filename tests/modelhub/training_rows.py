"""Training runs with what they logged, as a training writes it."""

from typing import Any

from modelhub.models import Run, TrainingLog
from modelhub.runs.lifecycle import run_finish, run_start

ARGUMENTS: dict[str, Any] = {
    "kind": "dpo",
    "base": "/models/llama-8b",
    "sft": "/models/pt-sft",
    "out": "/models/pt-dpo",
    "data": {
        "dataset": "evenings",
        "personas": "chosen",
        "persona_source": "gold",
        "inferring_system": "large-model",
        "retriever": "",
        "train": {"split": "dpo_train", "examples": 1200, "sha256": "c0ffee"},
        "validation": {"split": "dpo_val", "examples": 150, "sha256": "c0ffee"},
    },
    "recipe": {
        "lora": {"r": 16, "alpha": 32, "target_modules": "default"},
        "dpo": {"epochs": 10, "learning_rate": 5e-6, "beta": 0.1, "batch_size": 1, "gradient_accumulation": 4,
                "max_length": 512},
    },
    "processes": 1,
    "left_out": 3,
    "validation_pairs_trained_on": 0,
    "shortened": {
        "train": {"prompts": 4, "prompt_tokens": 60, "beyond_limit": 0, "responses": 0, "response_tokens": 0},
        "validation": {"prompts": 0, "prompt_tokens": 0, "beyond_limit": 0, "responses": 0, "response_tokens": 0},
    },
}  # fmt: skip


def make_training(stage: str = "train_sft", *, arguments: dict[str, Any] | None = None, finished: bool = True) -> Run:
    """Store a training run without a log."""
    run = run_start(stage=stage, arguments=ARGUMENTS if arguments is None else arguments, total=40)
    if finished:
        run_finish(run=run, state=Run.State.FINISHED)
    return Run.objects.get(pk=run.pk)


def add_log(run: Run, kind: str, step: int, epoch: float, **values: float | None) -> None:
    """Store what was measured at a step; underscores around `rewards` become the trainer's slashes."""
    named = {name.replace("rewards_", "rewards/"): value for name, value in values.items()}
    TrainingLog.objects.create(run=run, kind=kind, step=step, epoch=epoch, values=named)
