"""Write the key of a study, a file of its own: `manage.py export_key STUDY --out FILE --user NAME`."""

import csv
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.errors import NotAllowedNow
from annotation.management.base import ProjectCommand
from annotation.permissions import may_have_key
from annotation.services.linking import KEY_COLUMNS, key_read
from annotation.studyref import study_from_reference, user_from_name


class Command(ProjectCommand):
    help = "Write which participant is whom: ids of lists and platforms, completion codes, links. Logged."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="CSV; keep it apart from the data.")
        parser.add_argument("--user", required=True, metavar="NAME", help="Who gets it: the owner, or an admin.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file, for nobody else to read; raise CommandError where that is refused or cannot be done."""
        study, user = study_from_reference(options["study"]), user_from_name(options["user"])
        out: Path = options["out"]
        if not may_have_key(user, study):
            raise NotAllowedNow(f"{user} may not have the key of {study}: it is for its owner and for admins.")
        try:
            out.touch(mode=0o600)
            out.chmod(0o600)
            with out.open("w", encoding="utf-8", newline="") as sink:
                rows = key_read(study=study, user=user)
                writer = csv.writer(sink, lineterminator="\n")
                writer.writerow(KEY_COLUMNS)
                writer.writerows(rows)
        except OSError as error:
            raise CommandError(f"{out} cannot be written: {error.strerror}") from error
        self.stdout.write(f"The key of {study} is in {out}. Keep it apart from the data, or destroy it: destroy_key.")
