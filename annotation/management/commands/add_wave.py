"""Add items to an opened study: `manage.py add_wave STUDY more.csv --reason "A second wave"`."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from annotation.errors import ServiceError
from annotation.management.base import ProjectCommand
from annotation.services.waves import wave_add
from annotation.studyref import study_from_reference
from annotation.wavefiles import read_wave


class Command(ProjectCommand):
    help = "Add items to an open or paused study, as an amendment: logged, and part of the protocol's hash."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument(
            "file",
            type=Path,
            help="The items; response_1 and so on hold texts for arms by number. Images lie beside it.",
        )
        parser.add_argument("--reason", required=True, metavar="TEXT", help="Why; it stands in every codebook.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Add the items; raise CommandError with everything that is wrong."""
        study = study_from_reference(options["study"])
        try:
            items, responses = read_wave(options["file"])
        except OSError as error:
            raise ServiceError(f"{options['file']} cannot be read: {error.strerror}.") from error
        amendment = wave_add(study=study, items=items, responses=responses, reason=options["reason"], user=None)
        self.stdout.write(
            f"Amendment {amendment.number} of {study}: {len(items)} items added. Protocol hash: {amendment.hash_after}"
        )
