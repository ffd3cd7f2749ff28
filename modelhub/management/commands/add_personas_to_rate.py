"""`manage.py add_personas_to_rate`: bring prompts with stored personas into a draft output rating."""

from typing import Any

from django.core.management.base import CommandParser

from annotation.models import Study
from modelhub.management.fill_command import FillCommand
from modelhub.stages.fill_study import FillReport, WantedPersonas, add_personas_to_rate


class Command(FillCommand):
    help = "Bring prompts with inferred or retrieved personas into a draft output rating (items: imported)."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--profile", default="", metavar="NAME", help="or a YAML file, for how answers start; default: the data set"
        )

    def fill(self, study: Study, wanted: WantedPersonas, options: dict[str, Any]) -> FillReport:
        return add_personas_to_rate(study=study, wanted=wanted, profile=options["profile"])
