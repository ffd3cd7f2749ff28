"""`manage.py analyze`: from a study to its report."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.export import export_refusal
from annotation.management.base import ProjectCommand
from annotation.models import Study
from annotation.services.log import audit_log
from annotation.studyref import study_from_reference
from modelhub.access import analyst_named
from modelhub.analysis.data import load_data
from modelhub.analysis.judge import read_judgements
from modelhub.analysis.results import analyze_data
from modelhub.management.options import seed
from modelhub.report.bundle import bundle_refusal, bundle_write
from modelhub.runs.provenance import command_line
from modelhub.stats.bootstrap import REPLICATES
from modelhub.stats.winrate import Verdict


class Command(ProjectCommand):
    help = "Analyse a study, unblinded, and write its report: text, tables, figures, results and a datasheet. Logged."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="Made if it does not exist.")
        parser.add_argument("--replace", action="store_true", help="Overwrite the report that is in DIR.")
        parser.add_argument("--base", metavar="SYSTEM", help="Compare with this one: a system's name or arm number.")
        parser.add_argument("--test", metavar="SYSTEM", help="Compare this one with the base.")
        parser.add_argument(
            "--judgements", type=Path, metavar="FILE", help="Verdicts of an LLM judge, as win_rates reads."
        )
        parser.add_argument("--seed", type=seed, default=0, help="Of everything that is drawn.")
        parser.add_argument("--replicates", type=int, default=REPLICATES, help="Of the bootstrap.")
        parser.add_argument("--include-bots", action="store_true", help="Bots too, for rehearsals.")
        parser.add_argument("--user", metavar="USERNAME", help="On whose behalf; needs the permission to unblind.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._analyze(**options)
        except OSError as error:
            raise CommandError(f"The report cannot be written to {options['out']}: {error}") from error

    def _analyze(self, **options: Any) -> None:
        study, directory = study_from_reference(options["study"]), options["out"]
        if options["replicates"] < 100:
            raise CommandError(f"--replicates {options['replicates']}: an interval needs 100 or more.")
        refusal = export_refusal(study) or bundle_refusal(directory, replace=options["replace"])
        if refusal:
            raise CommandError(refusal)
        user = analyst_named(options["user"], study) if options["user"] else None
        judgements = _judgements(options["judgements"], study)
        command = command_line(["manage.py", *sys.argv[1:]])
        # Logged before anything is read: an analysis that fails half-way has still been looked at.
        audit_log(user=user, action="analyze", study=study, command=command)
        data = load_data(study, include_bots=options["include_bots"], base=options["base"], test=options["test"])
        results = analyze_data(
            data,
            seed=options["seed"],
            replicates=options["replicates"],
            judgements=judgements,
            command=command,
            include_bots=options["include_bots"],
        )
        document = bundle_write(directory=directory, results=results, data=data, replace=options["replace"])
        self.stdout.write(
            f"{directory}/report.html: {results.primary.participants} participants, "
            f"{len(document.tables)} tables, {len(document.figures)} figures. This report is unblinded."
        )


def _judgements(path: Path | None, study: Study) -> list[Verdict] | None:
    if path is None:
        return None
    return read_judgements(path, list(study.aspects.values_list("key", flat=True)))
