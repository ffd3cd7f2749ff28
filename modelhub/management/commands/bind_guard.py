"""`manage.py bind_guard STUDY SYSTEM`: say which system is asked about the personas that participants submit."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.management.base import ProjectCommand
from annotation.studyref import study_from_reference
from modelhub.queries.datasets import system_named
from modelhub.systems.guarding import guard_bind, guard_unbind


class Command(ProjectCommand):
    help = "Bind a registered system as the guard of a study, or remove it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug, or slug@version; the newest version if none is given")
        parser.add_argument("system", nargs="?", help="a registered system")
        parser.add_argument("--remove", action="store_true", help="ask nobody any more")

    def handle(self, *args: Any, **options: Any) -> None:
        """Bind or remove; raise CommandError where that cannot be done."""
        study = study_from_reference(options["study"])
        if bool(options["system"]) == options["remove"]:
            raise CommandError("Name a system, or give --remove, and not both.")
        if options["remove"]:
            removed = guard_unbind(study=study)
            self.stdout.write(f"{study} has no guard any more." if removed else f"{study} had no guard.")
            return
        binding = guard_bind(study=study, system=system_named(options["system"]))
        self.stdout.write(f"{binding.system.name} is asked about each persona that participants of {study} submit.")
