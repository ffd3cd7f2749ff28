"""`manage.py export_judgements`: what a judge says of the texts that people assessed in a closed study."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.export import export_refusal
from annotation.management.base import ProjectCommand
from annotation.services.log import audit_log
from annotation.studyref import study_from_reference
from modelhub.access import analyst_named
from modelhub.analysis.judged_studies import study_judgements
from modelhub.queries.datasets import system_named


class Command(ProjectCommand):
    help = "Write a judge's verdicts on what a closed study showed, for analyze --judgements and win_rates. Logged."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument("--judge", required=True, metavar="SYSTEM", help="the system that judged")
        parser.add_argument(
            "--rubric", default="", metavar="NAME", help="needed if the judge was asked in several ways"
        )
        parser.add_argument("--base", metavar="SYSTEM", help="as for analyze")
        parser.add_argument("--test", metavar="SYSTEM", help="as for analyze")
        parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="a JSONL file; must be new")
        parser.add_argument("--user", metavar="USERNAME", help="on whose behalf; needs the permission to unblind")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._export(**options)
        except OSError as error:
            raise CommandError(f"The judgements cannot be written to {options['out']}: {error}") from error

    def _export(self, **options: Any) -> None:
        study, judge, out = study_from_reference(options["study"]), system_named(options["judge"]), options["out"]
        refusal = export_refusal(study) or (f"{out} exists already; name another file." if out.exists() else "")
        if refusal:
            raise CommandError(refusal)
        user = analyst_named(options["user"], study) if options["user"] else None
        found = study_judgements(
            study, judge, rubric=options["rubric"], base=options["base"], test=options["test"]
        )  # fmt: skip
        # Logged before anything is written: an export that fails half-way has still been looked at.
        audit_log(user=user, action="judgements_exported", study=study, judge=judge.name, units=found.judged)
        text = "".join(json.dumps(row) + "\n" for row in found.rows)
        with out.open("x", encoding="utf-8") as sink:
            sink.write(text)
        self.stdout.write(
            f"{out}: {len(found.rows)} verdicts on {found.judged} of {found.units} given personas with their outputs; "
            f"{found.other_text} were judged with other texts than participants saw, and are left out."
        )
