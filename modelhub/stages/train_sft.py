"""Supervised fine-tuning on preference pairs, with personas or without."""

from typing import Annotated

from pydantic import Field

from modelhub.runs.parameters import Option
from modelhub.stages.shared.parameters import Name
from modelhub.stages.shared.training_options import Trained, TrainOptions, model_name
from modelhub.stages.shared.training_stage import training_stage
from modelhub.training.job import SFT


class SftOptions(TrainOptions):
    """What `train_sft` can be told."""

    base: Annotated[str, Option(metavar="PATH")] = Field(description="folder or Hub name of the base model")
    train_split: Name = Field(default="sft_train", description="what is trained on")
    val_split: Name = Field(default="sft_val", description="what is measured on")


def _trained(wanted: SftOptions) -> Trained:
    return Trained(SFT, model_name(wanted.base), wanted.hyper_parameters())


STAGE = training_stage(
    kind=SFT,
    summary="Train a base model to answer prompts for personas (supervised fine-tuning).",
    parameters=SftOptions,
    trained=_trained,
)
