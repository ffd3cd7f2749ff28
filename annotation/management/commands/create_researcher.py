"""Make an account for a researcher: `manage.py create_researcher USERNAME`."""

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import IntegrityError, transaction

from annotation.management.base import ProjectCommand
from annotation.models import User
from annotation.permissions import Role
from annotation.services.log import audit_log
from annotation.services.members import role_give


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
        username, password = options["username"], secrets.token_urlsafe(12)
        try:
            User.username_validator(username)
            with transaction.atomic():
                make = User.objects.create_superuser if options["superuser"] else User.objects.create_user
                user = make(username=username, password=password)
                role_give(user=user, role=Role.ANALYST if options["analyst"] else Role.RESEARCHER)
                audit_log(user=None, action="researcher_create", username=username, superuser=user.is_superuser)
        except ValidationError as error:
            raise CommandError(f"{username!r} cannot be a username: {' '.join(error.messages)}") from error
        except IntegrityError as error:
            raise CommandError(
                f"There is an account {username!r} already. A new password: manage.py changepassword {username}"
            ) from error
        self.stdout.write(f"username: {username}\npassword: {password}")
