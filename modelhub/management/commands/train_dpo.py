"""`manage.py train_dpo`: preference tuning that goes on from an SFT adapter."""

from typing import Any

from django.core.management.base import CommandParser

from modelhub.management.training_command import Model, TrainingCommand, model_folder, model_name
from modelhub.training.config import Recipe, continue_adapter
from modelhub.training.job import DPO, read_start


class Command(TrainingCommand):
    help = "Train an SFT adapter on to prefer the better response (direct preference optimization)."
    kind = DPO
    train_split = "dpo_train"
    validation_split = "dpo_val"

    def add_model_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--sft", required=True, metavar="NAME", help="what train_sft made: a folder, or its name")
        parser.add_argument("--base", default="", metavar="PATH", help="the base, if it has moved since")

    def model(self, options: dict[str, Any], recipe: Recipe) -> Model:
        sft = model_folder(options["sft"]).resolve()
        manifest = read_start(sft)
        base = options["base"] or manifest["base"]["name"]
        return Model(
            model_name(base), continue_adapter(recipe, options["recipe"], manifest["recipe"]["lora"]), sft
        )  # fmt: skip
