"""Try a study file on paper: `manage.py check_study study.yaml --participants 24`."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.dryrun import DryRun, dry_run
from annotation.management.base import ProjectCommand
from annotation.rehearsal import rehearse
from annotation.studyfile import read_study_file

SHOWN = 10  # participants whose items are listed


class Command(ProjectCommand):
    help = "Check a study file and say what it comes to: pages, minutes, places, participants. Writes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="The study file; docs/study-file.md describes it.")
        parser.add_argument(
            "--participants", type=int, metavar="N", help="How many will take part. Default: as many as it needs."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Report; raise CommandError with everything that is wrong with the file."""
        count = options["participants"]
        if count is not None and count < 1:
            raise CommandError("--participants must be at least 1.")
        document = read_study_file(options["file"]).document()
        report = dry_run(document, participants=count)
        self.stdout.write("\n".join(_summary(document, report)))
        self._tell_walks(document, report, count or report.participants_needed)

    def _tell_walks(self, document: dict[str, Any], report: DryRun, count: int) -> None:
        filled = 0
        for walk in rehearse(document, count):
            filled += len(walk.items)
            if walk.participant <= SHOWN:
                items = [f"{key} (writes)" if n < walk.written else key for n, key in enumerate(walk.items)]
                self.stdout.write(f"  participant {walk.participant}: {', '.join(items) or 'finds no place'}")
        if count > SHOWN:
            self.stdout.write(f"  … and {count - SHOWN} more")
        self.stdout.write(f"{count} participants who all finish fill {filled} of {report.places} places.")


def _summary(document: dict[str, Any], report: DryRun) -> list[str]:
    return [
        f"{document['slug']}: the file is in order.",
        f"Each participant: {report.pages_total} pages, about {report.minutes:.0f} minutes",
        *(f"  {group.count:>4} × {group.name} ({group.minutes:.1f} min)" for group in report.pages),
        f"  {report.basis}",
        f"Places: {report.places}. Participants needed if all finish: {report.participants_needed}.",
        *(f"Warning: {warning}" for warning in report.warnings),
    ]
