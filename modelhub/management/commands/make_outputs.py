"""`manage.py make_outputs`: make the outputs of a draft's given personas, before it opens."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.management.base import ProjectCommand
from annotation.studyref import study_from_reference
from modelhub.management.serving import serve_and_close
from modelhub.management.stage_command import lease, positive
from modelhub.runs.lifecycle import LEASE_SECONDS, runs_mark_lost
from modelhub.stages.make_outputs import draft_outputs_request, draft_server
from personaeval.interrupts import Interruptible


class Command(ProjectCommand):
    help = "Let the systems of a draft's arms answer its given personas now, to be scanned and frozen when it opens."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug, or slug@version; the newest version if none is given")
        parser.add_argument("--batch-size", type=positive, default=8, help="outputs made at a time (default: 8)")
        parser.add_argument(
            "--lease-seconds", type=lease, default=LEASE_SECONDS, help="claims of a killed run last this long"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        runs_mark_lost()
        study = study_from_reference(options["study"])
        queued = draft_outputs_request(study=study)
        with Interruptible() as signals:
            server = draft_server(study=study, batch_size=options["batch_size"], lease_seconds=options["lease_seconds"])
            serve_and_close(server, signals)
        self.stdout.write(
            f"Run {server.run.key} {server.run.state}: {queued} outputs were missing, {server.done} made, "
            f"{server.failed} attempts failed."
        )
        if server.failed:
            raise CommandError(f"retry_outputs {options['study']} says why outputs failed, and queues them again.")
