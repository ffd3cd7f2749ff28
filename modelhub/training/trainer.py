"""What both trainings share: the trainer's settings, what is logged, resuming, and what is written at the end."""

import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation.errors import ServiceError
from modelhub.engines.digests import MANIFEST, WHOLE_DIGEST, model_digest
from modelhub.engines.modelfiles import no_chat_template
from modelhub.engines.weights import adapter_gaps, hold_loads, refuse_gaps, stored_tensors
from modelhub.training.checks import check_disk, check_memory, check_tokenizer_fits, model_sizes, training_bytes
from modelhub.training.fitting import Fitted, Lengths, fit_examples
from modelhub.training.full import check_checkpoints, check_launch, check_whole, keep_cache, lean_checkpoints
from modelhub.training.job import (
    DPO,
    FolderState,
    TrainingJob,
    checkpoint_step,
    drop_broken_checkpoints,
    folder_claim,
    folder_state,
    is_main_process,
    last_checkpoint,
    processes,
)
from modelhub.training.loading import (
    check_base,
    load_tokenizer,
    on_gpu,
    quiet_environment,
    quiet_libraries,
    weights_type,
)
from modelhub.training.manifest import CURVES, base_entry, versions, write_json
from modelhub.training.passing import check_passed, check_trackers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Trainer, TrainerCallback, TrainerState

TRAIN, EVALUATION = "train", "eval"
_FULL = 2**20  # bytes; a disk with less left is full


@dataclass(frozen=True)
class LogEntry:
    """What was measured at a step; `kind` is train or eval. Values that are no finite number are None."""

    kind: str
    step: int
    epoch: float
    values: dict[str, float | None]


@dataclass(frozen=True)
class Watch:
    """Whom to tell, in the main process only: `started` the steps to do and those done before, `logged` each entry."""

    started: Callable[[int, int], object] = lambda total, done: None
    logged: Callable[[LogEntry], object] = lambda entry: None


@dataclass(frozen=True)
class PreparedTraining:
    """A job made ready: its tokenizer, and the texts to train and validate on."""

    tokenizer: "PreTrainedTokenizerBase"
    train: Fitted
    validation: Fitted

    @property
    def shortening(self) -> dict[str, dict[str, int]]:
        """Return what was shortened in either set."""
        return {"train": self.train.shortening.as_dict(), "validation": self.validation.shortening.as_dict()}


@dataclass(frozen=True)
class TrainingResult:
    """What a training came to. Steps are updates of the weights; losses are means per token (SFT) or pair (DPO)."""

    out: Path
    steps: int
    resumed_at: int
    best_step: int
    best_epoch: float
    best_loss: float
    seconds: float


def prepare(job: TrainingJob) -> PreparedTraining:
    """Check the base, load its tokenizer and fit the examples; nothing is written. Raises ServiceError."""
    quiet_environment(job.base)
    quiet_libraries()
    check_base(job.base)
    check_passed(job.recipe, job.kind)
    check_trackers(job.report_to)
    for name, examples in (("training", job.train), ("validation", job.validation)):
        if not examples:
            raise ServiceError(f"There are no {name} examples.")
    tokenizer = load_tokenizer(job.base)
    lengths = Lengths(job.settings.max_length, job.settings.max_prompt_length, tokenizer.eos_token)
    layout = job.recipe.layout
    if layout.chat and not tokenizer.chat_template:
        raise ServiceError(no_chat_template(job.base))
    fitted = [
        fit_examples(examples, tokenizer, lengths, both_responses=job.kind == DPO, layout=layout)
        for examples in (job.train, job.validation)
    ]
    return PreparedTraining(tokenizer, *fitted)


def check_room(job: TrainingJob) -> None:
    """Raise ServiceError unless model, tokenizer, context, disk and GPU allow the training."""
    from transformers import AutoConfig

    check_tokenizer_fits(job.base)
    context = getattr(AutoConfig.from_pretrained(job.base).get_text_config(), "max_position_embeddings", None)
    if context is not None and job.settings.max_length > context:
        raise ServiceError(f"max_length is {job.settings.max_length}, and {job.base} reads {context} tokens.")
    if job.is_full:
        check_launch()
    sizes = model_sizes(job.base, job.recipe)
    check_disk(job.out, training_bytes(sizes))
    check_memory(sizes, recipe=job.recipe, precision=job.settings.precision, reference=job.kind == DPO)


def trainer_settings(job: TrainingJob) -> dict[str, Any]:
    """Return the arguments of the trainer's configuration that SFT and DPO share."""
    import torch

    settings = job.settings
    return {
        "output_dir": str(job.checkpoints),
        "num_train_epochs": settings.epochs,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.scheduler,
        "warmup_steps": settings.warmup,  # below 1 it is a share
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "per_device_train_batch_size": settings.batch_size,
        "per_device_eval_batch_size": settings.eval_batch_size,
        "gradient_accumulation_steps": settings.gradient_accumulation,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "max_length": settings.max_length,
        "bf16": weights_type(settings.precision) == torch.bfloat16,
        "use_cpu": not on_gpu(),
        "dataloader_pin_memory": on_gpu(),
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "save_total_limit": 2,  # the best and the newest
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": False,
        "logging_steps": settings.logging_steps,
        "logging_first_step": True,
        "report_to": list(job.report_to) or "none",
        "disable_tqdm": True,
        "seed": job.seed,
        "data_seed": job.seed,
        # The reference adapter is frozen, not unused: there is nothing to look for in every backward pass.
        "ddp_find_unused_parameters": False,
    }


def run_training(
    job: TrainingJob,
    prepared: PreparedTraining,
    make_trainer: Callable[[TrainingJob, PreparedTraining], "Trainer"],
    watch: Watch,
) -> TrainingResult:
    """Train from the start, or from the last checkpoint of the same job, and write the best adapter or model.

    Raises ServiceError if the folder is another job's, or if there is no room. A KeyboardInterrupt goes up; what the
    last checkpoint holds stays.
    """
    if is_main_process():
        # Alone: another process would take a folder that is being claimed for somebody else's.
        if folder_state(job) == FolderState.FINISHED:
            raise ServiceError(f"{job.out} holds this training, finished.")
        check_room(job)
        folder_claim(job)
        drop_broken_checkpoints(job)
    # What TensorBoard is told would lie among the checkpoints otherwise, which go at the end.
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(job.out / CURVES)
    try:
        trainer = make_trainer(job, prepared)
    except (ImportError, RuntimeError, ValueError) as error:
        raise ServiceError(f"The trainer cannot be set up: {error}") from error
    if job.is_full:
        trainer.add_callback(lean_checkpoints(job))
        check_checkpoints(job)
    else:
        hold_loads(trainer.model)
    checkpoint = last_checkpoint(job)
    watching = _callback(watch)
    trainer.callback_handler.callbacks = [
        one for one in trainer.callback_handler.callbacks if type(one).__name__ != "PrinterCallback"
    ]
    trainer.add_callback(watching)
    began = time.monotonic()
    _train(trainer, checkpoint, job.out)
    seconds = time.monotonic() - began
    return _finish(job, prepared, trainer, seconds=seconds, checkpoint=checkpoint)


def _train(trainer: "Trainer", checkpoint: Path | None, out: Path) -> None:
    import torch
    from safetensors import SafetensorError

    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except torch.OutOfMemoryError as error:
        raise ServiceError(
            f"The GPU is out of memory: {error} Lower batch_size (and raise gradient_accumulation) or max_length, or "
            "set gradient_checkpointing=true."
        ) from error
    except (OSError, RuntimeError, SafetensorError) as error:
        # What writes checkpoints names a full disk in ways of its own, such as "unexpected pos 154176 vs 154068".
        if shutil.disk_usage(out).free > _FULL:
            raise
        raise ServiceError(
            f"The disk of {out} is full: {error} Free some; the same command goes on from the last whole checkpoint."
        ) from error


def check_complete(rows: int, trained: int) -> None:
    """Raise ServiceError if the trainer has dropped rows: none may vanish silently."""
    if rows != trained:
        raise ServiceError(
            f"The trainer took {trained} of {rows} examples; the others hold no token of their response. Raise "
            "max_length."
        )


def _callback(watch: Watch) -> "TrainerCallback":
    from transformers import TrainerCallback

    class Watching(TrainerCallback):
        """Tell of the start and of every log; after a resume also of the earlier ones, so that curves are whole."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                watch.started(state.max_steps, state.global_step)
                for logs in state.log_history:
                    _tell(watch, logs, state.global_step)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if state.is_world_process_zero and logs:
                _tell(watch, {"epoch": state.epoch, **logs}, state.global_step)

    return Watching()


def _tell(watch: Watch, logs: Mapping[str, Any], step: int) -> None:
    if "train_runtime" in logs:  # a summary of the whole, not of a step
        return
    kind = EVALUATION if "eval_loss" in logs else TRAIN
    values = {
        key: float(value) if math.isfinite(value) else None
        for key, value in logs.items()
        if isinstance(value, int | float) and key not in ("epoch", "step")
    }
    watch.logged(LogEntry(kind, int(logs.get("step", step)), float(logs.get("epoch") or 0.0), values))


def _finish(
    job: TrainingJob, prepared: PreparedTraining, trainer: "Trainer", *, seconds: float, checkpoint: Path | None
) -> TrainingResult:
    # The best checkpoint goes below, and a slower process may still be reading it.
    trainer.accelerator.wait_for_everyone()
    state = trainer.state
    best = _best(state)
    if job.is_full:
        keep_cache(trainer.model, job.base)
    trainer.save_model(str(job.out))
    resumed_at = checkpoint_step(checkpoint) if checkpoint else 0
    if is_main_process():
        _check_written(job, trainer)
        (job.out / "training_args.bin").unlink(missing_ok=True)  # a pickle that only its own versions can read
    manifest = _manifest(job, prepared, trainer, best=best, seconds=seconds)
    if is_main_process():
        write_json(job.out / MANIFEST, manifest)
        shutil.rmtree(job.checkpoints, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    return TrainingResult(
        out=job.out,
        steps=state.global_step,
        resumed_at=resumed_at,
        best_step=state.best_global_step,
        best_epoch=best["epoch"],
        best_loss=best["eval_loss"],
        seconds=seconds,
    )


def _check_written(job: TrainingJob, trainer: "Trainer") -> None:
    """Raise ServiceError unless the folder's files have every weight of what was trained."""
    written = str(job.out)
    if job.is_full:
        check_whole(job.out)
    else:
        refuse_gaps(written, adapter_gaps(written, trainer.model.config, stored_tensors(written)))


def _best(state: "TrainerState") -> dict[str, Any]:
    """Return the log entry of the best validation loss; raise ServiceError if none was a number."""
    for entry in state.log_history:
        if entry.get("step") == state.best_global_step and math.isfinite(entry.get("eval_loss", math.nan)):
            return dict(entry)
    raise ServiceError("No validation loss was a number. Lower the learning rate, or use float32.")


def _manifest(
    job: TrainingJob, prepared: PreparedTraining, trainer: "Trainer", *, best: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    described = job.describe()
    state = trainer.state
    losses = [one["loss"] for one in state.log_history if "loss" in one]
    return {
        "format": 1,
        "kind": job.kind,
        "base": base_entry(job.base),
        "parent": {"name": str(job.sft.resolve()), "digest": described["sft_digest"]} if job.sft else None,
        "data": described["data"],
        "recipe": described["recipe"],
        "seed": job.seed,
        "processes": processes(),
        "effective_batch_size": job.settings.batch_size * job.settings.gradient_accumulation * processes(),
        "shortening": prepared.shortening,
        "steps": state.global_step,
        "first_loss": losses[0] if losses else None,
        "last_loss": losses[-1] if losses else None,
        "best": {"step": state.best_global_step, "epoch": best["epoch"], "eval_loss": best["eval_loss"]},
        "seconds": round(seconds, 1),
        WHOLE_DIGEST if job.is_full else "adapter_digest": model_digest(str(job.out)),
        "versions": versions(),
    }  # fmt: skip
