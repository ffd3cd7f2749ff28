"""`manage.py run_worker`: make requested outputs until stopped."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.management.base import ProjectCommand
from modelhub.management.serving import serve_and_close
from modelhub.runs.lifecycle import run_start, runs_mark_lost
from modelhub.stages.serve_outputs import ServeOptions, Server
from personaeval.interrupts import Interruptible

MIN_LEASE_SECONDS = 3


class Command(ProjectCommand):
    help = "Claim requested outputs, generate them, fill them in. Any number of workers may run on one database."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="empty the queue and exit")
        parser.add_argument("--batch-size", type=int, default=8, help="outputs claimed at a time (default: 8)")
        parser.add_argument("--poll-seconds", type=float, default=1.0, help="pause when nothing is left (default: 1)")
        parser.add_argument("--lease-seconds", type=int, default=120, help="claims of a killed worker last this long")

    def handle(self, *args: Any, **options: Any) -> None:
        serve_options = _options(options)
        runs_mark_lost()
        with Interruptible() as signals:
            run = run_start(
                stage="serve_outputs",
                arguments={name: options[name] for name in ("once", "batch_size", "poll_seconds", "lease_seconds")},
                lease_seconds=serve_options.lease_seconds,
            )
            server = Server(run=run, options=serve_options)
            serve_and_close(server, signals)
        self.stdout.write(f"Run {run.key} {run.state}: {server.done} outputs made, {server.failed} attempts failed.")


def _options(options: dict[str, Any]) -> ServeOptions:
    if options["batch_size"] < 1:
        raise CommandError(f"--batch-size is {options['batch_size']}; it must be at least 1.")
    if options["poll_seconds"] <= 0:
        raise CommandError(f"--poll-seconds is {options['poll_seconds']}; it must be above 0.")
    if options["lease_seconds"] < MIN_LEASE_SECONDS:
        raise CommandError(f"--lease-seconds is {options['lease_seconds']}; it must be at least {MIN_LEASE_SECONDS}.")
    return ServeOptions(
        batch_size=options["batch_size"],
        poll_seconds=options["poll_seconds"],
        lease_seconds=options["lease_seconds"],
        once=options["once"],
    )
