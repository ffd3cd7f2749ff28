"""Attach a person to a study: `manage.py share_study STUDY USERNAME --role analyst`."""

from typing import Any

from django.core.management.base import CommandParser

from annotation.errors import ServiceError
from annotation.management.base import ProjectCommand
from annotation.models import StudyMember
from annotation.services.members import member_add, member_remove
from annotation.studyref import study_from_reference


class Command(ProjectCommand):
    help = "Let another researcher or analyst see a study, or take that back. Logged."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument("username")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--role", choices=StudyMember.Role.values, help="An analyst reads and may unblind.")
        what.add_argument("--remove", action="store_true", help="Detach the person from the study.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Attach or detach; raise CommandError if there is nobody, or no right, to attach."""
        username, role = options["username"], options["role"]
        study = study_from_reference(options["study"])
        if not options["remove"]:
            member_add(study=study, username=username, role=role, by=None)
            self.stdout.write(f"{username} is attached to {study} as {role}.")
            return
        member = StudyMember.objects.filter(study=study, user__username=username).select_related("user").first()
        if member is None:
            raise ServiceError(f"{username} is not attached to {study}.")
        member_remove(member=member, by=None)
        self.stdout.write(f"{username} is no longer attached to {study}.")
