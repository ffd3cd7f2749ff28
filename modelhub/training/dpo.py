"""Preference tuning that goes on from an SFT adapter, with that adapter, frozen, as its reference.

Direct preference optimization: Rafailov et al. 2023, arXiv 2305.18290. The result is an adapter of the same base as the
SFT model, so that one loaded base serves every arm.
"""

from functools import partial
from typing import TYPE_CHECKING

from annotation.errors import ServiceError
from modelhub.engines.weights import load_errors, put_adapter
from modelhub.training.job import TrainingJob
from modelhub.training.loading import load_model
from modelhub.training.trainer import (
    PreparedTraining,
    TrainingResult,
    Watch,
    check_complete,
    prepare,
    run_training,
    trainer_settings,
)

if TYPE_CHECKING:
    from peft import PeftModel
    from trl import DPOTrainer

POLICY = "default"  # the trainer's name for the adapter it trains; that of its frozen copy is "ref"


def train_dpo(
    job: TrainingJob, watch: Watch | None = None, *, prepared: PreparedTraining | None = None
) -> TrainingResult:
    """Train the SFT adapter on to prefer one response over the other, with the persona in view or without.

    Raises ServiceError; whether the SFT model matches the job is for `check_start` to say.
    """
    return run_training(job, prepared or prepare(job), make_dpo_trainer, watch or Watch())


def make_dpo_trainer(job: TrainingJob, prepared: PreparedTraining) -> "DPOTrainer":
    """Return the trainer with all pairs in it; raise ServiceError if it has dropped any."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    settings = job.recipe.dpo
    trainer = DPOTrainer(
        model=_policy(job),
        args=DPOConfig(**{"loss_type": ["sigmoid"], **trainer_settings(job), **job.recipe.trl_dpo}, beta=settings.beta),
        train_dataset=Dataset.from_list(prepared.train.rows),
        eval_dataset=Dataset.from_list(prepared.validation.rows),
        processing_class=prepared.tokenizer,
    )
    check_complete(len(prepared.train.rows), len(trainer.train_dataset))
    check_complete(len(prepared.validation.rows), len(trainer.eval_dataset))
    return trainer


def _policy(job: TrainingJob) -> "PeftModel":
    """Return the SFT model with its adapter trainable. The trainer itself adds a frozen copy of it as the reference.

    Only the policy is ever saved. A copy of the reference in a checkpoint would be all that resuming loads (the trainer
    takes subfolders for all adapters there are), and the policy would begin again at the SFT model.
    """
    if job.sft is None:
        raise ServiceError("DPO starts from an SFT model; name its folder.")
    try:
        base = load_model(job.base, job.recipe, job.settings.precision)
        model = put_adapter(base, str(job.sft), name=POLICY, trainable=True)
    except load_errors() as error:
        raise ServiceError(f"The adapter {job.sft} cannot be loaded into {job.base}: {error}") from error
    model.save_pretrained = partial(model.save_pretrained, selected_adapters=[POLICY])
    return model
