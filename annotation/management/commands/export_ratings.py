"""Export a study, blinded: `manage.py export_ratings STUDY --format csv --out DIR`."""

import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.export import FORMATS, export_write
from annotation.export.card import UNKNOWN
from annotation.export.others import OTHER_FORMATS, other_write
from annotation.export.release import Found, found_lines
from annotation.management.base import ProjectCommand
from annotation.models import Study
from annotation.services.log import audit_log
from annotation.studyref import study_from_reference


class Command(ProjectCommand):
    help = "Write ratings, personas, outputs and participants with a codebook. Arms appear by code only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument("--format", choices=(*FORMATS, *OTHER_FORMATS), default="csv")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="Made if it does not exist.")
        parser.add_argument(
            "--formula-safe", action="store_true", help="CSV for spreadsheets: no text can be taken for a formula."
        )
        parser.add_argument("--include-bots", action="store_true", help="Bots and previews too.")
        parser.add_argument(
            "--include-external-ids",
            action="store_true",
            help="Going; use export_key. The ids of lists and platforms, which may tell who somebody is. Logged.",
        )
        parser.add_argument(
            "--license",
            default=UNKNOWN,
            metavar="ID",
            help="For the data card: the licence, as the Hugging Face Hub calls it, for example cc-by-4.0.",
        )
        parser.add_argument(
            "--release",
            action="store_true",
            help="For others' eyes: [e-mail] and [telephone] stand where people typed addresses and numbers.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the export; raise CommandError where it is refused or cannot be written."""
        if options["formula_safe"] and options["format"] != "csv":
            raise CommandError(
                f"--formula-safe is for spreadsheets, so it needs --format csv, not {options['format']}."
            )
        if options["include_external_ids"]:
            self.stderr.write("--include-external-ids will go: export_key writes them into a file of their own.")
        if options["release"] and options["include_external_ids"]:
            raise CommandError("A release tells nobody who participants are: leave --include-external-ids out.")
        others = options["format"] in OTHER_FORMATS
        if others and options["include_external_ids"]:
            raise CommandError("Other tools get no ids of lists or platforms: leave --include-external-ids out.")
        found: Found = Counter()
        try:
            study = study_from_reference(options["study"])
            counts = self._write_other(study, options, found) if others else self._write(study, options, found)
        except OSError as error:
            raise CommandError(f"The export cannot be written to {options['out']}: {error}") from error
        asked = {name: options[name] for name in ("format", "release")}
        asked["external_ids"] = options["include_external_ids"]
        audit_log(user=None, action="export", study=study, rows=counts, **asked)
        if others:
            self.stdout.write(f"{counts['records']} records. README.md: how to read them there, and what is left out.")
        else:
            for name, rows in counts.items():
                self.stdout.write(f"{name}.{options['format']}: {rows} rows")
            self.stdout.write("codebook.json, codebook.md: what every column means. README.md: the data card.")
        bots = "are in them" if options["include_bots"] else "are left out; --include-bots writes them too"
        self.stdout.write(f"Bots and previews {bots}. All in {options['out']}.")
        self._tell(found, released=options["release"])

    def _write(self, study: Study, options: dict[str, Any], found: Found) -> dict[str, int]:
        return export_write(
            formula_safe=options["formula_safe"],
            external_ids=options["include_external_ids"],
            license=options["license"],
            progress=lambda name: self.stderr.write(f"writing {name} …"),
            **_common(study, options, found),
        )

    def _write_other(self, study: Study, options: dict[str, Any], found: Found) -> dict[str, int]:
        return other_write(**_common(study, options, found))

    def _tell(self, found: Found, *, released: bool) -> None:
        lines = found_lines(found)
        if not lines:
            self.stdout.write("No e-mail address and no telephone number was found in what people typed.")
            return
        did = "Replaced by marks" if released else "Left as they are; --release puts marks in their places"
        self.stdout.write("\n".join([f"E-mail addresses and telephone numbers in what people typed. {did}:", *lines]))


def _common(study: Study, options: dict[str, Any], found: Found) -> dict[str, Any]:
    return {
        "study": study,
        "directory": options["out"],
        "format": options["format"],
        "command": shlex.join(["manage.py", *sys.argv[1:]]),
        "include_bots": options["include_bots"],
        "release": options["release"],
        "found": found,
    }
