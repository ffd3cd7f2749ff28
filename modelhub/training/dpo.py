"""Preference tuning that goes on from an SFT model, with that model, frozen, as its reference.

Direct preference optimization: Rafailov et al. 2023, arXiv 2305.18290. Where SFT made an adapter the result is
one of the same base, so that one loaded base serves every arm; where it trained all weights, the result is a model.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation.errors import ServiceError
from modelhub.engines.digests import trained_problem
from modelhub.engines.weights import load_errors, put_adapter
from modelhub.training.job import TrainingJob
from modelhub.training.loading import load_model
from modelhub.training.starting import check_first_loss, silence
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
    from transformers import PreTrainedModel
    from trl import DPOTrainer

POLICY = "default"  # the trainer's name for the adapter it trains; that of its frozen copy is "ref"


def train_dpo(
    job: TrainingJob, watch: Watch | None = None, *, prepared: PreparedTraining | None = None
) -> TrainingResult:
    """Train the SFT model on to prefer one response over the other, with the persona in view or without.

    Raises ServiceError; whether the SFT model matches the job is for `check_start` to say.
    """
    return run_training(job, prepared or prepare(job), make_dpo_trainer, watch or Watch())


def make_dpo_trainer(job: TrainingJob, prepared: PreparedTraining) -> "DPOTrainer":
    """Return the trainer with all pairs in it; raise ServiceError if it has dropped any."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    settings = job.recipe.dpo

    class CheckedAtStart(DPOTrainer):
        """Look at every loss from before the first update, in the very passes that train."""

        def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **named: Any) -> Any:
            loss = super().compute_loss(model, inputs, *arguments, **named)
            if model.training and self.state.global_step == 0 and self.args.disable_dropout:
                check_first_loss(self, float((loss[0] if isinstance(loss, tuple) else loss).detach()))
            return loss

    if job.sft is None:
        raise ServiceError("DPO starts from an SFT model; name its folder.")
    trainer = CheckedAtStart(
        model=_whole_policy(job, job.sft) if job.is_full else _policy(job, job.sft),
        ref_model=_whole_policy(job, job.sft) if job.is_full else None,
        args=DPOConfig(**{"loss_type": ["sigmoid"], **trainer_settings(job), **job.recipe.trl_dpo}, beta=settings.beta),
        train_dataset=Dataset.from_list(prepared.train.rows),
        eval_dataset=Dataset.from_list(prepared.validation.rows),
        processing_class=prepared.tokenizer,
    )
    if trainer.args.disable_dropout:
        silence(trainer.model)  # the trainer itself knows modules of dropout alone
        if trainer.ref_model is not None:
            silence(trainer.ref_model)
    check_complete(len(prepared.train.rows), len(trainer.train_dataset))
    check_complete(len(prepared.validation.rows), len(trainer.eval_dataset))
    return trainer


def _whole_policy(job: TrainingJob, sft: Path) -> "PreTrainedModel":
    """Return the SFT model with all weights trainable; loaded a second time it is the reference, which TRL freezes."""
    if problem := trained_problem(str(sft)):
        raise ServiceError(problem)
    return load_model(str(sft), job.recipe, job.settings.precision)


def _policy(job: TrainingJob, sft: Path) -> "PeftModel":
    """Return the SFT model with its adapter trainable. The trainer itself adds a frozen copy of it as the reference.

    Only the policy is ever saved. A copy of the reference in a checkpoint would be all that resuming loads (the trainer
    takes subfolders for all adapters there are), and the policy would begin again at the SFT model.
    """
    if job.recipe.lora.bias != "none":
        raise ServiceError(
            f"The SFT adapter trains biases of the base (lora.bias={job.recipe.lora.bias}), which its frozen copy "
            "shares: the reference would change with the policy. Train one with lora.bias=none."
        )
    try:
        base = load_model(job.base, job.recipe, job.settings.precision)
        model = put_adapter(base, str(sft), name=POLICY, trainable=True)
    except load_errors() as error:
        raise ServiceError(f"The adapter {sft} cannot be loaded into {job.base}: {error}") from error
    model.save_pretrained = partial(model.save_pretrained, selected_adapters=[POLICY])
    return model
