"""Show what a receipt stands for: `manage.py erasure_receipt CODE`."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from annotation.management.base import ProjectCommand
from annotation.services.withdrawal import erasure_find


class Command(ProjectCommand):
    help = "Say what was erased, and when, for the code of a receipt."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("code", help="the receipt's code, as written down")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the receipt; raise CommandError where no erasure has this code."""
        erased = erasure_find(receipt=options["code"].strip().upper())
        if erased is None or erased.erased_at is None:
            raise CommandError("No erasure has this receipt. Check the code letter by letter.")
        self.stdout.write(f"{erased.study}: {erased.code} was erased on {erased.erased_at:%Y-%m-%d %H:%M} UTC.")
        for name, count in erased.tombstone["counts"].items():
            self.stdout.write(f"  {name.replace('_', ' ')}: {count}")
        clean = erased.tombstone["files_cleaned"]
        self.stdout.write(
            "The database's files are " + ("cleaned." if clean else "still to be cleaned: finish_erasures.")
        )
        self.stdout.write(settings.BACKUP_STATEMENT)
