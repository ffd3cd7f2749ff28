"""`manage.py import_personas`: read inferred personas into a draft persona assessment."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from annotation.studyref import study_from_reference
from modelhub.files.pairs import SOURCES, Columns
from modelhub.management.stage_command import positive
from modelhub.stages.import_personas import import_personas


class Command(ProjectCommand):
    help = (
        "Import preference pairs and the personas inferred from them (Parquet, JSONL or CSV) into a draft whose file "
        "says `items: imported`: columns prompt, chosen, rejected with chosen_persona and rejected_persona (or …_gold, "
        "…_retr), or with persona, direction and system, one row per persona."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug, or slug@version; the newest version if none is given")
        parser.add_argument("files", nargs="+", metavar="FILE")
        for name in ("prompt", "chosen", "rejected"):
            parser.add_argument(f"--{name}-column", default=name, metavar="NAME", help=f"default: {name}")
        parser.add_argument(
            "--source", choices=SOURCES, default="gold", help="which personas of a pair (default: gold)"
        )
        parser.add_argument(
            "--system", default="", metavar="NAME", help="what inferred the personas of rows without one"
        )
        parser.add_argument("--stratum", default="", metavar="NAME", help="the data set of rows without one")
        parser.add_argument("--limit", type=positive, metavar="N", help="only the first N pairs of each file")

    def handle(self, *args: Any, **options: Any) -> None:
        columns = Columns(
            prompt=options["prompt_column"],
            chosen=options["chosen_column"],
            rejected=options["rejected_column"],
            source=options["source"],
            system=options["system"],
            stratum=options["stratum"],
        )
        report = import_personas(
            study=study_from_reference(options["study"]),
            files=[Path(name) for name in options["files"]],
            columns=columns,
            limit=options["limit"],
        )
        self.stdout.write(
            f"Run {report.run.key}: {report.pairs} pairs read, {report.added} personas imported, "
            f"{report.unchanged} were there already."
        )
