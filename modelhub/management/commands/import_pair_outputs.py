"""`manage.py import_pair_outputs`: read what systems answered elsewhere to stored pairs."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from modelhub.management.source_arguments import add_source_arguments, origin_of
from modelhub.stages.import_pair_outputs import FileReport, PairOutputImport, import_pair_outputs


class Command(ProjectCommand):
    help = "Import outputs for stored pairs that were made elsewhere, such as the released generations."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSONL, JSON, CSV or Parquet")
        add_source_arguments(parser, from_names=True)
        parser.add_argument("--system", required=True, metavar="NAME", help="what made them; registered if it is new")
        parser.add_argument("--allow-unmatched", action="store_true", help="leave out rows that belong to no pair")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = PairOutputImport(
            dataset=options["dataset"],
            split=options["split"],
            system=options["system"],
            source=options["persona"] or "",
            origin=origin_of(options),
            profile=options["profile"],
            allow_unmatched=options["allow_unmatched"],
        )
        report = import_pair_outputs(options["files"], wanted)
        for file in report.files:
            self._report(file)
        self.stdout.write(f"Run {report.run.key}.")

    def _report(self, file: FileReport) -> None:
        self.stdout.write(
            f"{file.name}: {file.imported} outputs imported ({file.source}), {file.unchanged} were there already, "
            f"{len(file.unmatched)} belong to no pair and persona."
        )
        if file.from_file:
            self.stdout.write(f"The personas of {file.from_file} of them are stored nowhere else.")
        for line in file.unmatched:
            self.stdout.write(f"- {line}")
