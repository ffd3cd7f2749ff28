"""`manage.py merge_adapter`: an adapter and its base as one model."""

from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from modelhub.stages.shared.training_options import model_folder, model_name
from modelhub.training.merge import merge_adapter


class Command(ProjectCommand):
    help = "Write an adapter and its base as one model, for tools that know no adapters."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("adapter", help="what train_sft or train_dpo made: a folder, or its name")
        parser.add_argument("out", help="a folder that does not exist yet, or a name in VAR_DIR/models")
        parser.add_argument("--base", default="", metavar="PATH", help="the base, if it has moved since")

    def handle(self, *args: Any, **options: Any) -> None:
        base = model_name(options["base"]) if options["base"] else ""
        out = model_folder(options["out"])
        compared = merge_adapter(model_folder(options["adapter"]), out, base=base)["compared"]
        self.stdout.write(
            f"Merged into {out}. On probe texts its logits differ by up to {compared['difference']:.2g} from those of "
            f"the adapter on its base (tolerated in {compared['dtype']}: {compared['tolerance']:.2g}); the adapter "
            f"itself changes them by up to {compared['effect_of_adapter']:.2g}."
        )
