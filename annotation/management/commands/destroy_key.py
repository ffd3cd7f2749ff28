"""Destroy the key of a closed study: `manage.py destroy_key STUDY --user NAME`."""

from typing import Any

from django.core.management.base import CommandParser

from annotation.errors import NotAllowedNow
from annotation.management.base import ProjectCommand
from annotation.permissions import may_have_key
from annotation.services.linking import key_destroy
from annotation.studyref import study_from_reference, user_from_name


class Command(ProjectCommand):
    help = "Make a closed study's data anonymous: ids, links and completion codes go for good. Logged."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument("--user", required=True, metavar="NAME", help="Who does it; stands in the log.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Destroy it; raise CommandError where that is refused."""
        study, user = study_from_reference(options["study"]), user_from_name(options["user"])
        if not may_have_key(user, study):
            raise NotAllowedNow(f"{user} may not destroy the key of {study}: that is for its owner and for admins.")
        forgotten = key_destroy(study=study, user=user)
        self.stdout.write(f"The key of {study} is destroyed: {forgotten} participants cannot be told any more.")
