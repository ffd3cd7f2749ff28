"""Amend an opened study: `manage.py amend_study STUDY --set quota=5 --reason "Ten more people"`."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from annotation.errors import ServiceError
from annotation.fields import plain_lines
from annotation.management.base import ProjectCommand
from annotation.services.amendments import NUMBERS, TEXTS, Wanted, study_amend
from annotation.studyref import study_from_reference


class Command(ProjectCommand):
    help = "Change texts or numbers of an opened study, as an amendment: logged, and part of the protocol's hash."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="Why; it stands in every codebook.")
        parser.add_argument(
            "--set", action="append", default=[], metavar="NAME=VALUE",
            help=f"A number ({', '.join(NUMBERS)}) or a short text; NAME:LANGUAGE for a text in another language.",
        )  # fmt: skip
        parser.add_argument(
            "--text", action="append", default=[], metavar="NAME=FILE", help=f"A text from a file: {', '.join(TEXTS)}."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Amend the study; raise CommandError with what is wrong."""
        study = study_from_reference(options["study"])
        wanted = [_wanted(given) for given in options["set"]]
        wanted += [_wanted(given, from_file=True) for given in options["text"]]
        amendment = study_amend(study=study, wanted=wanted, reason=options["reason"], user=None)
        self.stdout.write(f"Amendment {amendment.number} of {study}. Protocol hash: {amendment.hash_after}")


def _wanted(given: str, *, from_file: bool = False) -> Wanted:
    name, separator, value = given.partition("=")
    what, _, language = name.partition(":")
    if not separator or what not in (*TEXTS, *NUMBERS):
        known = ", ".join((*NUMBERS, *TEXTS))
        raise ServiceError(f"{given!r} is no change; write NAME=VALUE with a name of: {known}.")
    if from_file:
        try:
            return Wanted(what, plain_lines(Path(value).read_text("utf-8")), language)
        except (OSError, UnicodeDecodeError) as error:
            raise ServiceError(f"{value} cannot be read: {error}.") from error
    if what not in NUMBERS:
        return Wanted(what, value, language)
    return Wanted(what, _number(given, value), language)


def _number(given: str, value: str) -> int | None:
    if value == "none":
        return None
    if not value.isdecimal():
        raise ServiceError(f"{given!r} is no change; write a whole number, or none for no quota.")
    return int(value)
