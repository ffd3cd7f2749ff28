"""Back up the database while people rate: `manage.py backup FILE`."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from annotation.management.base import ProjectCommand
from personaeval.backups.making import backup_add, backup_make
from personaeval.storage import storage_problem


class Command(ProjectCommand):
    help = "Write the database into one file, as it is at one moment, while everybody goes on."
    stopped = "Stopped. Nothing was written; give the same command again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("target", type=Path, metavar="FILE", help="or a folder: then the file is named by the time")
        parser.add_argument("--force", action="store_true", help="Replace the file if it is there.")
        parser.add_argument("--keep", type=int, metavar="N", help="In a folder: delete all but the newest N.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write and report; raise CommandError where that cannot be done."""
        target, keep = options["target"].absolute(), options["keep"]
        if keep is not None and (keep < 1 or not target.is_dir()):
            raise CommandError(f"--keep takes a number from 1, and a folder that is there; {target}, {keep} was given.")
        try:
            with tqdm(unit="B", unit_scale=True, disable=not sys.stderr.isatty()) as bar:
                if target.is_dir():
                    target, manifest = backup_add(folder=target, keep=keep, progress=bar.update)
                else:
                    manifest = backup_make(target=target, replace=options["force"], progress=bar.update)
        except OSError as error:
            raise CommandError(storage_problem(error) or f"{target} cannot be written: {error.strerror}.") from error
        rows = sum(manifest.rows.values())
        self.stdout.write(f"{target}: {rows} rows of {len(manifest.rows)} tables, as of {manifest.made_at:%F %T} UTC.")
        self.stdout.write("It holds what participants wrote. SECRET_KEY and files outside the database are not in it.")
