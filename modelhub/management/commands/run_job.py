"""Do one job that a page has asked for: `manage.py run_job KEY`."""

from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from modelhub.jobs.doing import job_do


class Command(ProjectCommand):
    help = "Do one job that a page has asked for. Workers begin it; by hand it is of no use."
    stopped = "Stopped. The job waits for a worker."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", help="the job's key")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the job; raise CommandError with why it failed."""
        job = job_do(options["key"])
        self.stdout.write(f"Job {job.key} ({job.kind}) {job.state}.")
