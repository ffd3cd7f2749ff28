"""Take in what Prolific knows: `manage.py prolific_sync STUDY FILE.csv`."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.management.base import ProjectCommand
from annotation.peoplefiles import read_submissions
from annotation.services.recruitment import submissions_sync
from annotation.studyref import study_from_reference


class Command(ProjectCommand):
    help = "Read the submissions that Prolific exports: who returned or timed out gives the place back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument("file", type=Path, metavar="FILE.csv", help="as downloaded from the study on Prolific")

    def handle(self, *args: Any, **options: Any) -> None:
        """Apply the file and report; raise CommandError, with nothing changed, where it is not right."""
        try:
            submissions = read_submissions(options["file"].read_bytes())
            study = study_from_reference(options["study"])
            effects = submissions_sync(study=study, submissions=submissions, user=None)
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from error
        self.stdout.write(f"{len(submissions)} submissions read.")
        for effect, rows in sorted(effects.items()):
            self.stdout.write(f"{effect.replace('_', ' ')}: {rows}")
