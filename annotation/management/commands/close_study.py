"""Close a study: `manage.py close_study STUDY`."""

from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from annotation.services.studies import study_close
from annotation.studyref import study_from_reference


class Command(ProjectCommand):
    help = "End a study for good. Closed is final."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")

    def handle(self, *args: Any, **options: Any) -> None:
        """Close it; raise CommandError with the reasons why it cannot be done."""
        study = study_from_reference(options["study"])
        study_close(study=study, user=None)
        self.stdout.write(f"{study.slug}@{study.version} is closed.")
