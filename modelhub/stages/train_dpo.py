"""Preference tuning that goes on from an SFT model."""

from typing import Annotated

from pydantic import Field

from modelhub.runs.parameters import Option
from modelhub.stages.shared.parameters import Name, Place
from modelhub.stages.shared.training_options import Trained, TrainOptions, model_folder, model_name
from modelhub.stages.shared.training_stage import training_stage
from modelhub.training.config import continue_adapter
from modelhub.training.job import DPO, read_start


class DpoOptions(TrainOptions):
    """What `train_dpo` can be told."""

    sft: Place = Field(description="what train_sft made: a folder, or its name")
    base: Annotated[str, Option(metavar="PATH")] = Field(default="", description="the base, if it has moved since")
    train_split: Name = Field(default="dpo_train", description="what is trained on")
    val_split: Name = Field(default="dpo_val", description="what is measured on")


def _trained(wanted: DpoOptions) -> Trained:
    sft = model_folder(wanted.sft).resolve()
    manifest = read_start(sft)
    recipe = continue_adapter(wanted.hyper_parameters(), wanted.recipe, manifest["recipe"])
    return Trained(DPO, model_name(wanted.base or manifest["base"]["name"]), recipe, sft)


STAGE = training_stage(
    kind=DPO,
    summary="Train an SFT model on to prefer the better response (direct preference optimization).",
    parameters=DpoOptions,
    trained=_trained,
)
