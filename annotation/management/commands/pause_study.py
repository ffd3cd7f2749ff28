"""Pause a study: `manage.py pause_study STUDY`."""

from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from annotation.services.studies import study_pause
from annotation.studyref import study_from_reference


class Command(ProjectCommand):
    help = "Let no new place be handed out until the study is opened again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")

    def handle(self, *args: Any, **options: Any) -> None:
        """Pause it; raise CommandError with the reasons why it cannot be done."""
        study = study_from_reference(options["study"])
        study_pause(study=study, user=None)
        self.stdout.write(f"{study.slug}@{study.version} is paused.")
