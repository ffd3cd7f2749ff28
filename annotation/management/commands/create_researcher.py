"""Make an account for a researcher: `manage.py create_researcher USERNAME`."""

from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from annotation.permissions import Role
from annotation.services.accounts import account_create


class Command(ProjectCommand):
    help = "Make an account for a researcher and print its random password. `changepassword` sets another one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--superuser", action="store_true", help="Sees every study and may do everything.")
        parser.add_argument(
            "--analyst", "--unblind", action="store_true", help="May see which system stands behind an arm."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the account; raise CommandError if the name is taken or not allowed."""
        user, password = account_create(
            username=options["username"],
            role=Role.ANALYST if options["analyst"] else Role.RESEARCHER,
            superuser=options["superuser"],
            by=None,
        )
        self.stdout.write(f"username: {user.username}\npassword: {password}")
