"""`manage.py judge`: let a judge compare the outputs of two systems."""

from typing import Any

from django.core.management.base import CommandParser

from modelhub.management.source_arguments import add_origin_arguments, add_split_arguments, origin_of
from modelhub.management.stage_command import StageCommand
from modelhub.models import PersonaSource
from modelhub.prompting.output_judging import DIRECT, METRICS, RUBRICS
from modelhub.stages.judge import Judge, judge


class Command(StageCommand):
    help = "Ask a judge, in both orders, which of two systems' outputs for the same pairs is better."
    rows = "verdicts"

    def add_stage_arguments(self, parser: CommandParser) -> None:
        add_split_arguments(parser)
        add_origin_arguments(parser)
        parser.add_argument("--base", required=True, metavar="SYSTEM", help="what is compared with")
        parser.add_argument("--test", required=True, metavar="SYSTEM", help="what is compared; its wins are counted")
        sources = PersonaSource.values
        parser.add_argument("--persona", choices=sources, required=True, help="where the test's personas come from")
        parser.add_argument("--base-persona", choices=sources, default="", help="the base's; default: as the test's")
        parser.add_argument("--judge", required=True, metavar="SYSTEM", help="the system that judges")
        parser.add_argument("--metric", nargs="+", choices=METRICS, default=METRICS, help="default: both")
        parser.add_argument("--rubric", choices=RUBRICS, default=DIRECT, help=f"how it is asked (default: {DIRECT})")

    def stage(self, options: dict[str, Any]) -> Judge:
        stage = judge(
            dataset=options["dataset"],
            split=options["split"],
            base=options["base"],
            base_source=options["base_persona"],
            test=options["test"],
            source=options["persona"],
            judge=options["judge"],
            metrics=options["metric"],
            format=options["rubric"],
            origin=origin_of(options),
            profile=options["profile"],
        )
        found = stage.matchup
        self.stdout.write(
            f"{len(found.outputs)} pairs have both outputs. Left out: {found.excluded} excluded, {found.no_test} "
            f"without an output of the test, {found.no_base} without one of the base for the same persona, "
            f"{found.no_prompt} without a prompt."
        )
        return stage
