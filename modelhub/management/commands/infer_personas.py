"""`manage.py infer_personas`: abduce personas from preference pairs."""

from typing import Any

from django.core.management.base import CommandParser

from modelhub.management.stage_command import StageCommand
from modelhub.models import Direction
from modelhub.stages.infer_personas import SHOTS, InferPersonas, infer_personas


class Command(StageCommand):
    help = "Infer the personas of both responses of imported preference pairs with a registered system."
    rows = "personas"

    def add_stage_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME", help="as given to import_preferences")
        parser.add_argument("--split", nargs="+", default=[], metavar="NAME", help="default: all splits")
        parser.add_argument("--system", required=True, metavar="NAME", help="what infers; see register_system")
        parser.add_argument(
            "--profile", default="", metavar="NAME", help="or a YAML file; default: the data set's name"
        )
        parser.add_argument(
            "--direction", choices=[*Direction.values, "both"], default="both", help="default: both directions"
        )
        parser.add_argument("--shots", type=int, default=SHOTS, metavar="N", help=f"exemplars shown (default: {SHOTS})")

    def stage(self, options: dict[str, Any]) -> InferPersonas:
        return infer_personas(
            dataset=options["dataset"],
            splits=options["split"],
            system=options["system"],
            profile=options["profile"],
            directions=Direction.values if options["direction"] == "both" else [options["direction"]],
            shots=options["shots"],
        )
