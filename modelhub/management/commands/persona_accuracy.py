"""`manage.py persona_accuracy`: how well inferred personas explain their responses, as the judges see it."""

import json
from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from modelhub.pipeline_results.accuracy_text import results_as_text
from modelhub.queries.datasets import splits_of
from modelhub.queries.inference import persona_results


class Command(ProjectCommand):
    help = "Report the accuracy of inferred personas by data set, system, judge and direction, and which are better."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", default="", metavar="NAME", help="default: all data sets")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dataset"]:
            splits_of(options["dataset"])
        results = persona_results(options["dataset"])
        self.stdout.write(json.dumps(results, indent=2) if options["json"] else results_as_text(results))
