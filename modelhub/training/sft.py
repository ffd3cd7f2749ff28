"""Supervised fine-tuning, by an adapter or all weights: the loss is that of responses and their end, not of prompts."""

from typing import TYPE_CHECKING

from modelhub.training.job import TrainingJob
from modelhub.training.loading import load_model, lora_config
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
    from datasets import Dataset
    from trl import SFTTrainer


def train_sft(
    job: TrainingJob, watch: Watch | None = None, *, prepared: PreparedTraining | None = None
) -> TrainingResult:
    """Train the base to answer prompts, with the persona in view or without, as the examples do.

    Raises ServiceError.
    """
    return run_training(job, prepared or prepare(job), make_sft_trainer, watch or Watch())


def make_sft_trainer(job: TrainingJob, prepared: PreparedTraining) -> "SFTTrainer":
    """Return the trainer with all examples in it; raise ServiceError if it has dropped any."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    settings = job.recipe.sft
    trainer = SFTTrainer(
        model=load_model(job.base, job.recipe, settings.precision),
        args=SFTConfig(
            **trainer_settings(job),
            completion_only_loss=True,
            packing=settings.packing,
            eval_packing=False,  # the validation loss must not depend on how rows are put together
            train_sampling_strategy="group_by_length" if settings.group_by_length else "random",
            **job.recipe.trl_sft,
        ),
        train_dataset=Dataset.from_list(prepared.train.rows),
        eval_dataset=Dataset.from_list(prepared.validation.rows),
        processing_class=prepared.tokenizer,
        peft_config=None if job.is_full else lora_config(job.recipe.lora, job.recipe.peft),
    )
    check_complete(len(prepared.train.rows), _texts(trainer.train_dataset))
    check_complete(len(prepared.validation.rows), _texts(trainer.eval_dataset))
    return trainer


def _texts(dataset: "Dataset") -> int:
    """Return how many texts a data set holds, packed or one per row."""
    if "seq_lengths" in dataset.column_names:
        return sum(len(lengths) for lengths in dataset["seq_lengths"])
    return len(dataset)
