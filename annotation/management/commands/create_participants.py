"""Make participant links: `manage.py create_participants STUDY --count 20`."""

import csv
from typing import Any

from django.core.management.base import CommandParser
from django.urls import reverse

from annotation.errors import ServiceError
from annotation.management.base import ProjectCommand, page_address, served_address
from annotation.models import Participant, Study
from annotation.services.participants import participant_create, participants_create
from annotation.studyref import study_from_reference


class Command(ProjectCommand):
    help = "Make participant links and print them as CSV: code,link."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument("--count", type=int, default=1, help="1 to 500")
        parser.add_argument(
            "--preview", action="store_true", help="A link to try the study with; left out of counts and exports."
        )
        parser.add_argument(
            "--url", help="Where participants reach this site. Default: where demo serves, else port 8000."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the links and print them; raise CommandError if the study takes none."""
        study = study_from_reference(options["study"])
        made = _previews(study, options["count"]) if options["preview"] else _people(study, options["count"])
        writer = csv.writer(self.stdout, lineterminator="\n")
        writer.writerow(["code", "link"])
        for participant in made:
            path = reverse("annotation:participant", args=[participant.token])
            writer.writerow([participant.code, page_address(options["url"] or served_address(), path)])


def _people(study: Study, count: int) -> list[Participant]:
    return participants_create(study=study, count=count, user=None)


def _previews(study: Study, count: int) -> list[Participant]:
    if count < 1:
        raise ServiceError(f"--count {count} makes no link; it must be at least 1.")
    return [participant_create(study=study, kind=Participant.Kind.PREVIEW) for _ in range(count)]
