"""Erase what studies promised to keep no longer: `manage.py apply_retention [--dry-run]`."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.management.base import ProjectCommand
from annotation.services.retention import retention_apply, retention_finish


class Command(ProjectCommand):
    help = "Carry out the time limits of closed studies whose time is up. A running worker does it once a day."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Say what would be erased, and erase nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Erase, or say what would be; raise CommandError where the database stays busy."""
        applied = retention_apply(dry_run=options["dry_run"])
        for one in applied:
            said = "would be erased" if one.counts is None else self._counted(one.counts)
            self.stdout.write(f"{one.study}: {one.limit.kind.label} ({one.limit.days} days after closing): {said}")
        if not applied:
            self.stdout.write("No study has anything whose time is up.")
        if not options["dry_run"] and (left := retention_finish()):
            raise CommandError(f"The database is busy: {left} erasures still have to be cleaned from its files.")

    @staticmethod
    def _counted(counts: dict[str, int]) -> str:
        return "erased " + ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items())
