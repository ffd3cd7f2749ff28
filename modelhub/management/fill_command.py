"""What the commands that bring stored personas into a study have in common."""

from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from annotation.models import Study
from annotation.studyref import study_from_reference
from modelhub.files.pairs import SOURCES
from modelhub.management.options import seed
from modelhub.management.stage_command import positive
from modelhub.models import Direction
from modelhub.stages.fill_study import FillReport, WantedPersonas

BOTH = "both"


class FillCommand(ProjectCommand):
    """A command that brings personas of the database into a draft study."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug, or slug@version; the newest version if none is given")
        parser.add_argument(
            "--dataset", nargs="+", required=True, metavar="NAME", help="as given to import_preferences"
        )
        parser.add_argument("--split", nargs="+", default=[], metavar="NAME", help="default: all splits")
        parser.add_argument(
            "--system", nargs="+", default=[], metavar="NAME", help="what inferred them (default: the only one)"
        )
        parser.add_argument(
            "--persona", choices=SOURCES, default="gold", help="inferred from the pair itself, or retrieved for it"
        )
        parser.add_argument("--retriever", default="", metavar="NAME", help="what retrieved (default: the only one)")
        parser.add_argument(
            "--direction", choices=[*Direction.values, BOTH], default=BOTH, help="which personas (default: both)"
        )
        parser.add_argument("--limit", type=positive, metavar="N", help="draw N pairs, balanced by data set")
        parser.add_argument("--seed", type=seed, default=0, metavar="N", help="decides the draw (default: 0)")

    def fill(self, study: Study, wanted: WantedPersonas, options: dict[str, Any]) -> FillReport:
        """Bring the personas; raise ServiceError for what cannot be."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        direction = options["direction"]
        wanted = WantedPersonas(
            datasets=options["dataset"],
            splits=options["split"],
            systems=options["system"],
            source=options["persona"],
            retriever=options["retriever"],
            directions=Direction.values if direction == BOTH else [direction],
            limit=options["limit"],
            seed=options["seed"],
        )
        report = self.fill(study_from_reference(options["study"]), wanted, options)
        self.stdout.write(
            f"Run {report.study.run.key}: {report.study.pairs} pairs, {report.study.added} personas added, "
            f"{report.study.unchanged} were there already."
        )
        if report.incomplete:
            self.stdout.write(f"{report.incomplete} pairs lack a persona asked for, or a response to show.")
