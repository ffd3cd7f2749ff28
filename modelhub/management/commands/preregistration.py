"""`manage.py preregistration`: the text of a preregistration, from what a study's file declares."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.errors import ServiceError
from annotation.export import export_refusal
from annotation.export.querysets import answers_of
from annotation.export.scope import Scope
from annotation.management.base import ProjectCommand
from annotation.studyref import study_from_reference
from modelhub.report.preregistration import plan_of, preregistration_markdown


class Command(ProjectCommand):
    help = "Write a study's preregistration as Markdown, in the fields of OSF's form. Blinded: arms by number."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument("--out", type=Path, metavar="FILE", help="must be new; default: the terminal")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the text; raise CommandError for a study that was changed after it opened, or a file that is there."""
        study, out = study_from_reference(options["study"]), options["out"]
        if refusal := export_refusal(study):
            raise ServiceError(refusal)
        text = preregistration_markdown(plan_of(study, answers=answers_of(Scope.of(study, include_bots=False)).count()))
        if out is None:
            self.stdout.write(text)
            return
        try:
            with out.open("x", encoding="utf-8") as sink:
                sink.write(text)
        except FileExistsError as error:
            raise ServiceError(f"{out} exists already; name another file.") from error
        except OSError as error:
            raise CommandError(f"The text cannot be written to {out}: {error}") from error
        self.stdout.write(f"{out}: what only you know is marked “TO BE FILLED IN”.")
