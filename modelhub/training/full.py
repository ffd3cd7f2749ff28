"""Training all weights: what its checkpoints keep, and whether a folder holds the whole model."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation.errors import ServiceError
from modelhub.engines.weights import load_errors, whole_model
from modelhub.training.job import LEAN, TrainingJob, checkpoint_step

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerCallback

_OPTIMIZER = "optimizer.pt"
_GATHERED = "FULL_STATE_DICT"


def check_whole(folder: Path) -> None:
    """Raise ServiceError unless the files in a folder have every weight of their model; none is read into memory."""
    try:
        whole_model(str(folder), device_map="meta", local_files_only=True)
    except load_errors() as error:
        raise ServiceError(f"The model in {folder} cannot be read: {error}") from error


def check_checkpoints(job: TrainingJob) -> None:
    """Raise ServiceError unless all checkpoints of the job have every weight: the trainer takes what it finds.

    Launchers that spread weights keep them in folders of their own, which they look at themselves.
    """
    for checkpoint in sorted(job.checkpoints.glob("checkpoint-*"), key=checkpoint_step):
        if not any(path.is_dir() for path in checkpoint.iterdir()):
            check_whole(checkpoint)


def check_launch() -> None:
    """Raise ServiceError for a launcher that would leave the trained weights in pieces."""
    said = os.environ.get("FSDP_STATE_DICT_TYPE", _GATHERED)
    if os.environ.get("ACCELERATE_USE_FSDP") == "true" and said != _GATHERED:
        raise ServiceError(
            f"The launcher keeps weights in pieces (fsdp_state_dict_type {said}), and a whole model is to be written. "
            f"Set fsdp_state_dict_type to {_GATHERED}, as in deploy/accelerate/fsdp.yaml."
        )


def keep_cache(model: "PreTrainedModel", base: str) -> None:
    """Let the model answer with a cache of keys and values if its base does.

    Gradient checkpointing switches it off in the configuration, which is written with the weights.
    """
    from transformers import AutoConfig

    model.config.use_cache = getattr(AutoConfig.from_pretrained(base), "use_cache", True)


def lean_checkpoints(job: TrainingJob) -> "TrainerCallback":
    """Return what takes the optimizer's states, twice the weights, from all checkpoints but the newest.

    Training goes on from the newest; an older one is kept for its weights, which are the best so far.
    """
    from transformers import TrainerCallback

    class Lean(TrainerCallback):
        """Make the older checkpoints lean as soon as a newer one is whole."""

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if not state.is_world_process_zero:
                return
            for checkpoint in job.checkpoints.glob("checkpoint-*"):
                if checkpoint_step(checkpoint) < state.global_step and (checkpoint / _OPTIMIZER).is_file():
                    (checkpoint / LEAN).touch()
                    (checkpoint / _OPTIMIZER).unlink()

    return Lean()
