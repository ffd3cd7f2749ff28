"""`manage.py export_augmented`: write preference pairs with their personas as training files."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from annotation.errors import ServiceError
from annotation.management.base import ProjectCommand
from modelhub.management.stage_command import INTERRUPTED
from modelhub.stages.export_augmented import COLUMNS, FORMATS, SplitExport, export_augmented
from personaeval.interrupts import Interruptible


class Command(ProjectCommand):
    help = f"Write a data set with its personas, one file per split, for datasets.load_dataset: {', '.join(COLUMNS)}."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME", help="as given to import_preferences")
        parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="made if it does not exist")
        parser.add_argument("--system", default="", metavar="NAME", help="whose personas (default: the only ones)")
        parser.add_argument("--retriever", default="", metavar="NAME", help="what retrieved (default: the only one)")
        parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help=f"default: {FORMATS[0]}")
        parser.add_argument("--force", action="store_true", help="write into a folder that is not empty")

    def handle(self, *args: Any, **options: Any) -> None:
        # A bar for people; a log file would only fill up with it.
        with Interruptible() as signals, tqdm(unit="row", disable=not sys.stderr.isatty()) as bar:
            try:
                signals.arm()
                report = export_augmented(
                    dataset=options["dataset"],
                    out=options["out"],
                    system=options["system"],
                    retriever=options["retriever"],
                    format=options["format"],
                    force=options["force"],
                    on_start=bar.reset,
                    on_rows=bar.update,
                )
            except ServiceError as error:
                raise CommandError(str(error)) from error
            except KeyboardInterrupt as error:
                raise CommandError("Stopped. Nothing was written.", returncode=INTERRUPTED) from error
        self.stdout.write(
            f"Run {report.run.key}: personas by {report.system}, retrieved by {report.retriever or 'nothing'}"
        )
        for split in report.splits:
            self.stdout.write("\n".join(_lines(split)))


def _lines(split: SplitExport) -> Iterator[str]:
    yield f"{split.name}: {split.rows} rows"
    yield from (f"  {count} without {name}" for name, count in split.missing.items() if count)
