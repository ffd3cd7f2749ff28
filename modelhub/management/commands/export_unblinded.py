"""`manage.py export_unblinded`: export a study with the systems behind its arms."""

import shlex
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.export import FORMATS
from annotation.management.base import ProjectCommand
from annotation.services.log import audit_log
from annotation.studyref import study_from_reference
from modelhub.access import analyst_named
from modelhub.analysis.unblinded import unblinded_write


class Command(ProjectCommand):
    help = "Write ratings and outputs with the system behind each arm. Needs the permission to unblind; logged."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument("--format", choices=FORMATS, default="csv")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="Made if it does not exist.")
        parser.add_argument("--user", required=True, metavar="USERNAME", help="on whose behalf; needs the permission")
        parser.add_argument("--include-bots", action="store_true", help="Bots and previews too.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            study = study_from_reference(options["study"])
            user = analyst_named(options["user"], study)
            # Logged before anything is written: an export that fails half-way has still been looked at.
            audit_log(user=user, action="export_unblinded", study=study, format=options["format"])
            counts = unblinded_write(
                study=study,
                directory=options["out"],
                format=options["format"],
                command=shlex.join(["manage.py", *sys.argv[1:]]),
                include_bots=options["include_bots"],
            )
        except OSError as error:
            raise CommandError(f"The export cannot be written to {options['out']}: {error}") from error
        for name, rows in counts.items():
            self.stdout.write(f"{name}.{options['format']}: {rows} rows")
        self.stdout.write(
            f"codebook_unblinded.json, codebook_unblinded.md: what every column means. All in {options['out']}."
        )
