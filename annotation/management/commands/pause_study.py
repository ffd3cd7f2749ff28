"""Pause a study: `manage.py pause_study STUDY`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.errors import ServiceError
from annotation.services.studies import study_pause
from annotation.studyref import study_from_reference


class Command(BaseCommand):
    help = "Let no new place be handed out until the study is opened again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")

    def handle(self, *args: Any, **options: Any) -> None:
        """Pause it; raise CommandError with the reasons why it cannot be done."""
        try:
            study = study_from_reference(options["study"])
            study_pause(study=study, user=None)
        except ServiceError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{study.slug}@{study.version} is paused.")
