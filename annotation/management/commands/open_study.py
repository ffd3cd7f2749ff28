"""Open a study: `manage.py open_study STUDY`."""

from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from annotation.services.studies import study_open
from annotation.studyref import study_from_reference


class Command(ProjectCommand):
    help = "Open a draft, which freezes its definition, or a paused study."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")

    def handle(self, *args: Any, **options: Any) -> None:
        """Open it; raise CommandError with the reasons why it cannot be done."""
        study = study_from_reference(options["study"])
        study_open(study=study, user=None)
        self.stdout.write(f"{study.slug}@{study.version} is open. Protocol hash: {study.protocol_hash}")
