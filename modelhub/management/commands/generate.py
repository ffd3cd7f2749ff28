"""`manage.py generate`: let systems answer the prompts of stored pairs."""

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from modelhub.management.source_arguments import add_source_arguments, origin_of
from modelhub.management.stage_command import StageCommand
from modelhub.queries.persona_sources import named_rows
from modelhub.stages.generate import Generate, generate


class Command(StageCommand):
    help = "Let registered systems answer the prompts of a stored split, with personas of any sources or none."
    rows = "outputs"

    def add_stage_arguments(self, parser: CommandParser) -> None:
        add_source_arguments(parser)
        parser.add_argument("--system", nargs="+", required=True, metavar="NAME", help="what answers, one by one")

    def stages(self, options: dict[str, Any]) -> Sequence[Generate]:
        stages = generate(
            dataset=options["dataset"],
            split=options["split"],
            systems=options["system"],
            sources=options["persona"],
            origin=origin_of(options),
            profile=options["profile"],
        )
        for one in stages[0].sources:
            if one.missing:
                self.stdout.write(
                    f"{len(one.missing)} of {len(one.missing) + len(one.texts)} pairs have no persona of "
                    f"{one.source} and get no output: {named_rows(one.missing)}."
                )
        return stages
