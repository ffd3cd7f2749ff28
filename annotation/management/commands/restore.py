"""Put a backup back: `manage.py restore FILE`."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from annotation.management.base import ProjectCommand
from personaeval.backups.manifest import Manifest, migrations_missing
from personaeval.backups.restoring import backup_check, backup_restore
from personaeval.storage import storage_problem


class Command(ProjectCommand):
    help = "Restore a backup into an empty database, whole or not at all."
    stopped = "Stopped. The database is empty or holds the whole backup; give the same command again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", type=Path, metavar="FILE", help="what `backup` wrote")
        parser.add_argument("--check", action="store_true", help="Read the whole file and say what it holds; no more.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore, or check, and report; raise CommandError where that is refused."""
        act = backup_check if options["check"] else backup_restore
        try:
            with tqdm(unit="B", unit_scale=True, disable=not sys.stderr.isatty()) as bar:
                manifest = act(source=options["source"], progress=bar.update)
        except OSError as error:
            said = storage_problem(error) or f"{error.filename or options['source']}: {error.strerror}."
            raise CommandError(said) from error
        self._describe(manifest)
        if not options["check"]:
            self._say_what_is_left(manifest)

    def _describe(self, manifest: Manifest) -> None:
        made = f"{manifest.made_at:%F %T} UTC, version {manifest.version}, commit {manifest.commit or 'unknown'}"
        self.stdout.write(f"Whole. Made {made}, of {manifest.engine} {manifest.server}.")
        for table, count in sorted(manifest.rows.items()):
            if count:
                self.stdout.write(f"  {table}: {count} rows")

    def _say_what_is_left(self, manifest: Manifest) -> None:
        self.stdout.write("Restored, and every table has the rows that the backup names.")
        if migrations_missing(manifest.migrations):
            self.stdout.write("It was made by older code: give `manage.py migrate` before the site is started.")
        self.stdout.write(
            f"Whoever was erased after {manifest.made_at:%F %T} UTC is back. The log of the site has a line with "
            "`erased participant` for each of them: give `manage.py erase_participant` for every one before you start "
            "the site (docs/deployment.md, Restore)."
        )
