"""`manage.py reproduce`: the whole pipeline, from preference pairs to a study of two trained systems."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from tqdm import tqdm

from annotation.management.base import ProjectCommand
from annotation.models import User
from annotation.studyref import user_from_name
from modelhub.pipeline.config import Pipeline, read_pipeline
from modelhub.pipeline.plan import Planned, pipeline_check, pipeline_plan, pipeline_run, pipeline_steps
from modelhub.pipeline.steps import PipelineStep
from modelhub.runs.recording import GOES_ON
from modelhub.runs.stage import Reporting


class Command(ProjectCommand):
    help = (
        "Infer personas, retrieve them, train both arms, let them answer, judge the answers, and draft a study of "
        "them, as far as it is left to do. The plan is printed first."
    )
    stopped = f"Stopped. {GOES_ON}"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="docs/pipeline.md describes it")
        parser.add_argument("--dataset", metavar="NAME", help="in place of the file's")
        parser.add_argument("--recipe", metavar="NAME", help="in place of the file's")
        parser.add_argument("--base", metavar="PATH", help="base model, in place of the file's")
        parser.add_argument("--checkpoint", metavar="PATH", help="ColBERT checkpoint, in place of the file's")
        parser.add_argument("--owner", metavar="USERNAME", help="of the study (default: the only user there is)")
        parser.add_argument("--allow-failed", action="store_true", help="go on without rows that fail")
        parser.add_argument("--plan", action="store_true", help="print what is left, and end")
        parser.add_argument("--batch-size", metavar="N", help="rows stored at a time, in every stage")
        parser.add_argument("--lease-seconds", metavar="N", help="a killed run is taken for lost after this long")

    def handle(self, *args: Any, **options: Any) -> None:
        pipeline, owner = _pipeline(options), _owner(options["owner"])
        pipeline_check(pipeline, owner=owner)
        steps = pipeline_steps(pipeline, owner=owner)
        self._print_plan(pipeline_plan(steps))
        if not options["plan"]:
            self._run(steps, allow_failed=options["allow_failed"])

    def _print_plan(self, planned: list[Planned]) -> None:
        self.stdout.write("\n".join(f"{number:>2}. {one}" for number, one in enumerate(planned, start=1)))
        self.stdout.flush()

    def _run(self, steps: list[PipelineStep], *, allow_failed: bool) -> None:
        with tqdm(unit="row", disable=not sys.stderr.isatty()) as bar:
            reporting = Reporting(self._say, bar.reset, bar.update, allow_failed)
            pipeline_run(steps, reporting, on_step=self._announce)
        self.stdout.write("Everything is done.")

    def _announce(self, planned: Planned) -> None:
        if planned.left and planned.left.left:
            self.stdout.write(f"== {planned}")
            self.stdout.flush()

    def _say(self, line: str) -> None:
        self.stdout.write("\n".join(f"   {one}" for one in line.splitlines()))
        self.stdout.flush()


def _pipeline(options: dict[str, Any]) -> Pipeline:
    return read_pipeline(
        options["config"],
        {
            "dataset": options["dataset"],
            "training.recipe": options["recipe"],
            "training.base": options["base"],
            "retrieval.checkpoint": options["checkpoint"],
            "batch_size": options["batch_size"],
            "lease_seconds": options["lease_seconds"],
        },
    )


def _owner(username: str | None) -> User | None:
    if username is not None:
        return user_from_name(username)
    users = list(User.objects.all()[:2])
    return users[0] if len(users) == 1 else None
