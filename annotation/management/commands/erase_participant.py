"""Erase one participant's data at their request: `manage.py erase_participant STUDY P-017 --user NAME`."""

from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from annotation.services.withdrawal import participant_erase
from annotation.studyref import participant_from_code, study_from_reference, user_from_name


class Command(ProjectCommand):
    help = "Erase everything that one participant gave. Cannot be undone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument("code", help="the participant's public code, such as P-017")
        parser.add_argument("--user", required=True, metavar="NAME", help="Who does it; stands in the log.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Erase and print the receipt; raise CommandError where there is nobody to erase."""
        study = study_from_reference(options["study"])
        participant = participant_from_code(study, options["code"])
        user = user_from_name(options["user"])
        erased = participant_erase(participant=participant, user=user, action="participant_erase")
        self.stdout.write(f"Erased the data of {participant.code}. Receipt: {erased.receipt}")
        for name, count in erased.tombstone["counts"].items():
            self.stdout.write(f"  {name.replace('_', ' ')}: {count}")
        if not erased.tombstone["files_cleaned"]:
            self.stdout.write("The database was busy: run `manage.py finish_erasures` to clean its files.")
