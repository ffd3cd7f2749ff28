"""`manage.py add_outputs_to_rate`: bring stored outputs of systems into a draft output rating."""

from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from annotation.studyref import study_from_reference
from modelhub.management.options import seed
from modelhub.management.source_arguments import add_origin_arguments, add_split_arguments, origin_of
from modelhub.management.stage_command import positive
from modelhub.stages.rate_outputs import SOURCES, RateWanted, add_outputs_to_rate


class Command(ProjectCommand):
    help = "Bring prompts, personas and the stored outputs of the arms' systems into a draft output rating."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug, or slug@version; the newest version if none is given")
        add_split_arguments(parser)
        parser.add_argument("--persona", choices=SOURCES, required=True, help="where personas come from")
        add_origin_arguments(parser)
        parser.add_argument("--allow-missing", action="store_true", help="leave out pairs that lack an arm's output")
        parser.add_argument("--limit", type=positive, metavar="N", help="draw N pairs")
        parser.add_argument("--seed", type=seed, default=0, metavar="N", help="decides the draw (default: 0)")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = RateWanted(
            dataset=options["dataset"],
            split=options["split"],
            source=options["persona"],
            origin=origin_of(options),
            profile=options["profile"],
            allow_missing=options["allow_missing"],
            limit=options["limit"],
            seed=options["seed"],
        )
        report = add_outputs_to_rate(study=study_from_reference(options["study"]), wanted=wanted)
        self.stdout.write(
            f"Run {report.run.key}: {report.study.pairs} pairs, {report.study.added} personas and {report.outputs} "
            f"outputs added, {report.unchanged} outputs were there already."
        )
        if report.left_out:
            self.stdout.write(f"{report.left_out} pairs were left out: an arm has no output that can be shown.")
