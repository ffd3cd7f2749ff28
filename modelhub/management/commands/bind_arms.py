"""`manage.py bind_arms`: say which system each blinded arm is."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.management.base import ProjectCommand
from annotation.studyref import study_from_reference
from modelhub.systems.registering import arms_bind


class Command(ProjectCommand):
    help = "Bind the arms of a draft study to registered systems."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug, or slug@version; the newest version if none is given")
        parser.add_argument("bindings", nargs="+", metavar="ARM=SYSTEM", help="an arm's code or number, and a system")

    def handle(self, *args: Any, **options: Any) -> None:
        study = study_from_reference(options["study"])
        bound = arms_bind(study=study, bindings=_pairs(options["bindings"]))
        for binding in bound:
            self.stdout.write(f"Arm {binding.arm.ordinal} ({binding.arm.code}) of {study} is {binding.system.name}.")
        if study.demonstration:
            self.stdout.write("This is a demonstration: participants are told that responses come from a script.")


def _pairs(arguments: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for argument in arguments:
        arm, equals, system = argument.partition("=")
        if not (arm and equals and system):
            raise CommandError(f"{argument!r} does not say which system an arm is; write for example 1=baseline.")
        if arm in pairs:
            raise CommandError(f"Arm {arm!r} is given twice.")
        pairs[arm] = system
    return pairs
