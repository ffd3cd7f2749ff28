"""`manage.py filter_outputs`: leave out answers that loop, in all systems alike."""

from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from modelhub.management.source_arguments import add_persona_argument, add_split_arguments
from modelhub.screening.scan import LOOP_SHARE
from modelhub.stages.filter_outputs import FilterWanted, filter_outputs, filter_undo


class Command(ProjectCommand):
    help = "Mark pairs in which an output of any of the systems loops, in all of them alike; or undo that."

    def add_arguments(self, parser: CommandParser) -> None:
        add_split_arguments(parser)
        parser.add_argument("--system", nargs="+", required=True, metavar="NAME", help="what is to be compared")
        add_persona_argument(parser)
        parser.add_argument(
            "--share",
            type=float,
            default=LOOP_SHARE,
            metavar="X",
            help=f"of repeated sequences (default: {LOOP_SHARE})",
        )
        parser.add_argument("--undo", action="store_true", help="take the marks away")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = FilterWanted(
            dataset=options["dataset"],
            split=options["split"],
            systems=options["system"],
            sources=options["persona"],
            share=options["share"],
        )
        report = filter_undo(wanted) if options["undo"] else filter_outputs(wanted)
        if options["undo"]:
            self.stdout.write(f"Run {report.run.key}: {report.excluded} pairs, {report.marked} marks taken away.")
            return
        self.stdout.write(
            f"Run {report.run.key}: {report.excluded} of {report.pairs} pairs left out, {report.marked} outputs newly "
            "marked."
        )
        for name, count in report.loops.items():
            self.stdout.write(f"- {name}: {count} outputs loop")
