"""`manage.py import_preferences`: read preference pairs, with or without personas."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from annotation.errors import ServiceError
from annotation.management.base import ProjectCommand
from modelhub.files.pairs import Columns
from modelhub.files.problems import first_lines
from modelhub.management.stage_command import INTERRUPTED
from modelhub.retrieval.splits import SEARCHED
from modelhub.stages.import_preferences import PreferenceImport, SplitReport, import_preferences
from personaeval.interrupts import Interruptible

_PLACES_SHOWN = 10


class Command(ProjectCommand):
    help = (
        "Import preference pairs from Parquet, JSONL, JSON or CSV files, folders with a file per split, or the Hub "
        "(hub:owner/name): columns prompt, chosen, rejected and, where there are any, chosen_persona (or …_gold) and "
        "rejected_persona, and the retrieved chosen_persona_retr and rejected_persona_retr."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sources", nargs="+", metavar="SOURCE", help="file, folder, or hub:owner/name[:config]")
        parser.add_argument("--dataset", required=True, metavar="NAME", help="what the data set is called here")
        parser.add_argument(
            "--split", default="", metavar="NAME", help="of a file: its split; else the only split that is read"
        )
        for name in ("prompt", "chosen", "rejected"):
            parser.add_argument(f"--{name}-column", default=name, metavar="NAME", help=f"default: {name}")
        parser.add_argument(
            "--system", default="", metavar="NAME", help="what inferred the personas (default: imported:DATASET)"
        )
        parser.add_argument("--allow-empty", action="store_true", help="take rows with an empty response too")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = PreferenceImport(
            sources=options["sources"],
            dataset=options["dataset"],
            split=options["split"],
            columns=Columns(options["prompt_column"], options["chosen_column"], options["rejected_column"]),
            system=options["system"],
            allow_empty=options["allow_empty"],
        )
        # A bar for people; a log file would only fill up with it.
        with Interruptible() as signals, tqdm(unit="row", disable=not sys.stderr.isatty()) as bar:
            try:
                signals.arm()
                report = import_preferences(wanted, on_start=bar.reset, on_rows=bar.update)
            except ServiceError as error:
                raise CommandError(str(error)) from error
            except KeyboardInterrupt as error:
                raise CommandError("Stopped. Nothing was imported.", returncode=INTERRUPTED) from error
        lines = [line for split in report.splits for line in _lines(split)]
        self.stdout.write("\n".join([f"Run {report.run.key}: {wanted.dataset}", *lines]))


def _lines(split: SplitReport) -> Iterator[str]:
    yield f"{split.rows.name}: {split.new} pairs imported, {split.unchanged} were there already; SHA-256 {split.digest}"
    if split.personas or split.personas_unchanged:
        yield (
            f"  {split.personas} personas imported ({split.flagged} flagged), {split.personas_unchanged} were there "
            f"already, {split.personas_missing} are missing"
        )
    yield from _retrieved_lines(split)
    yield from _places("repeat an earlier row and were left out", split.rows.duplicates)
    yield from _places("contradict an earlier row and were left out", split.contradictions)
    yield from _places("prefer a response to itself and were left out", split.rows.identical)
    yield from _places("have an empty response", split.rows.empty)


def _retrieved_lines(split: SplitReport) -> Iterator[str]:
    found = split.retrieved
    if not found.given:
        return
    if not found.searched:
        yield (
            f"  {found.given} rows bring retrieved personas, which were left out: those of a split called "
            f"{split.rows.name!r} can come from anywhere. Known: {', '.join(SEARCHED)}; name the split with --split"
        )
        return
    searched = " and ".join(found.searched)
    yield (
        f"  {found.given} rows bring retrieved personas: {found.stored} were traced to a row of {searched}, "
        f"{found.unchanged} were there already, {found.unmatched} fit none, {found.ambiguous} fit several"
    )
    if found.own:
        yield f"  {found.own} of them fit no other row than their own: retrieval had not left the row itself out"
    if found.absent:
        absent = " and ".join(found.absent)
        yield f"  {absent} must be imported first, or in the same call; then import this split again"


def _places(what: str, places: Sequence[str]) -> Iterator[str]:
    if places:
        yield f"  {len(places)} rows {what}:"
        yield from (f"    {line}" for line in first_lines(places, _PLACES_SHOWN))
