"""The options that check_personas and compare_personas share."""

from typing import Any

from django.core.management.base import CommandParser

from annotation.errors import ServiceError
from modelhub.engines import IMPORTED
from modelhub.management.stage_command import StageCommand
from modelhub.queries.datasets import inferring_system, splits_of, system_named
from modelhub.stages.profiles import profile_of


class PersonaJudgeCommand(StageCommand):
    """A command in which a judge looks at inferred personas."""

    rows = "verdicts"

    def add_stage_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME", help="as given to import_preferences")
        parser.add_argument("--split", nargs="+", default=[], metavar="NAME", help="default: all splits")
        parser.add_argument("--judge", required=True, metavar="NAME", help="the system that judges")
        parser.add_argument(
            "--system", default="", metavar="NAME", help="whose personas; needed if several systems inferred some"
        )
        parser.add_argument(
            "--profile", default="", metavar="NAME", help="or a YAML file; default: the data set's name"
        )

    def judging(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return what the stage is made of; raise ServiceError for names that are not known."""
        splits = splits_of(options["dataset"], options["split"])
        judge = system_named(options["judge"])
        if judge.engine == IMPORTED:
            raise ServiceError(f"{judge.name} has imported texts only: it can judge nothing. Register a model.")
        return {
            "dataset": options["dataset"],
            "splits": splits,
            "inferring": inferring_system(options["dataset"], options["system"]),
            "system": judge,
            "profile": profile_of(options["profile"] or options["dataset"]),
        }
