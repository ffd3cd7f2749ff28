"""Finish erasures that were interrupted, or found the database busy: `manage.py finish_erasures`."""

from typing import Any

from django.core.management.base import CommandError

from annotation.management.base import ProjectCommand
from annotation.services.withdrawal import erasures_finish


class Command(ProjectCommand):
    help = "Clean the database's files of text that erasures deleted. Does nothing where that is done."

    def handle(self, *args: Any, **options: Any) -> None:
        """Clean; raise CommandError where the database stays busy."""
        left = erasures_finish()
        if left:
            raise CommandError(f"{left} erasures still wait: another process reads or writes all the time. Try again.")
        self.stdout.write("All erasures are finished.")
