"""Take the second factor of an account away whose owner has lost it: `manage.py reset_second_factor USERNAME`."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.management.base import ProjectCommand
from annotation.models import User
from personaeval.accounts.factor import factor_remove


class Command(ProjectCommand):
    help = "Take the second factor of an account away, so that its password alone signs in; logged."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        """Take it away; raise CommandError where there is no such account, or nothing to take away."""
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no account {options['username']!r}.")
        if not factor_remove(user=user, by=None):
            raise CommandError(f"The account {user.username!r} has no second factor.")
        self.stdout.write(f"{user.username} signs in by password alone from now on.")
