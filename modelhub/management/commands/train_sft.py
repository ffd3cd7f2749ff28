"""`manage.py train_sft`: supervised fine-tuning on preference pairs, with personas or without."""

from typing import Any

from django.core.management.base import CommandParser

from modelhub.management.training_command import Model, TrainingCommand, model_name
from modelhub.training.config import Recipe
from modelhub.training.job import SFT


class Command(TrainingCommand):
    help = "Train an adapter of a base model to answer prompts for personas (supervised fine-tuning)."
    kind = SFT
    train_split = "sft_train"
    validation_split = "sft_val"

    def add_model_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--base", required=True, metavar="PATH", help="folder or Hub name of the base model")

    def model(self, options: dict[str, Any], recipe: Recipe) -> Model:
        return Model(model_name(options["base"]), recipe)
