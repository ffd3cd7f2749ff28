"""`manage.py import_outputs`: read outputs that were made elsewhere into a draft study."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from annotation.studyref import study_from_reference
from modelhub.stages.import_outputs import ImportOptions, import_outputs


class Command(ProjectCommand):
    help = (
        "Import outputs from JSONL, CSV or Parquet (columns item, text, and as needed persona, arm or system), or "
        "from released files of rendered prompts and responses. Rows are matched by item and persona."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug, or slug@version; the newest version if none is given")
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument(
            "--system", default="", metavar="NAME", help="what made the rows; bound to a free arm if new"
        )
        parser.add_argument("--arm", default="", metavar="CODE", help="the arm's code or number")
        parser.add_argument(
            "--allow-unmatched", action="store_true", help="skip rows that belong to no item and persona"
        )
        parser.add_argument("--replace", action="store_true", help="overwrite texts that differ")

    def handle(self, *args: Any, **options: Any) -> None:
        report = import_outputs(
            study=study_from_reference(options["study"]),
            files=[Path(name) for name in options["files"]],
            options=ImportOptions(
                system=options["system"],
                arm=options["arm"],
                allow_unmatched=options["allow_unmatched"],
                replace=options["replace"],
            ),
        )
        self.stdout.write(
            f"Run {report.run.key}: {report.imported} outputs imported, {report.unchanged} were there already, "
            f"{report.skipped} rows belong to no item and persona."
        )
        for code, count in report.missing.items():
            self.stdout.write(f"{code}: {count} given personas still have no output.")
