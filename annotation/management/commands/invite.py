"""Make a link for each person of a list: `manage.py invite STUDY people.csv --out links.csv`."""

import csv
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.urls import reverse

from annotation.management.base import ProjectCommand, page_address, served_address
from annotation.peoplefiles import read_invitations
from annotation.services.recruitment import participants_invite
from annotation.studyref import study_from_reference


class Command(ProjectCommand):
    help = "Make a personal link for each id of a CSV file. An id that has a link keeps it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument("people", type=Path, metavar="people.csv", help="with a column `id` or `label`")
        parser.add_argument("--out", type=Path, required=True, metavar="links.csv", help="Gets id, code and link.")
        parser.add_argument(
            "--url", help="Where participants reach this site. Default: where demo serves, else port 8000."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the links and write them; raise CommandError, with nothing made, where the list is not right."""
        out: Path = options["out"]
        try:
            ids = read_invitations(options["people"].read_bytes())
            study = study_from_reference(options["study"])
            # Before anything is made, and for nobody else to read: whoever holds a link is that participant.
            out.touch(mode=0o600)
            people = participants_invite(study=study, ids=ids, user=None)
            with out.open("w", encoding="utf-8", newline="") as sink:
                writer = csv.writer(sink, lineterminator="\n")
                writer.writerow(["id", "code", "link"])
                for person in people:
                    path = reverse("annotation:participant", args=[person.token])
                    writer.writerow(
                        [person.external_id, person.code, page_address(options["url"] or served_address(), path)]
                    )
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from error
        self.stdout.write(f"{len(people)} links are in {out}. Send each one to one person only.")
