"""`manage.py run_worker`: make requested outputs until stopped."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from annotation.models import Output
from modelhub.models import Run
from modelhub.runs import run_finish, run_start, runs_mark_lost
from modelhub.stages.serve_outputs import ServeOptions, Server

MIN_LEASE_SECONDS = 3


class Command(BaseCommand):
    help = "Claim requested outputs, generate them, fill them in. Any number of workers may run on one database."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="empty the queue and exit")
        parser.add_argument("--batch-size", type=int, default=8, help="outputs claimed at a time (default: 8)")
        parser.add_argument("--poll-seconds", type=float, default=1.0, help="pause when nothing is left (default: 1)")
        parser.add_argument("--lease-seconds", type=int, default=120, help="claims of a killed worker last this long")

    def handle(self, *args: Any, **options: Any) -> None:
        serve_options = _options(options)
        runs_mark_lost()
        run = run_start(
            stage="serve_outputs",
            arguments={name: options[name] for name in ("once", "batch_size", "poll_seconds", "lease_seconds")},
            lease_seconds=serve_options.lease_seconds,
        )
        server = Server(run=run, options=serve_options)
        state, message = Run.State.FAILED, "The worker ended with an error; see its log."
        try:
            with _signals_interrupt(), _progress(server):
                server.serve()
            state, message = Run.State.FINISHED, ""
        except KeyboardInterrupt:
            state, message = Run.State.STOPPED, "Stopped by a signal; what was not finished went back to the queue."
        finally:
            run_finish(run=run, state=state, message=message)
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


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into KeyboardInterrupt, also in the middle of a batch; ignore the next ones.

    A second Ctrl-C while leases are being given back would leave them to expire.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # Python lets only the main thread handle signals
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(server: Server) -> Iterator[None]:
    """Show a bar for a worker that empties the queue on a terminal; anything else gets log lines only."""
    if not (server.options.once and sys.stderr.isatty()):
        yield
        return
    total = Output.objects.filter(state=Output.State.REQUESTED).count()
    with tqdm(total=total, unit="output") as bar:
        server.on_output = bar.update
        yield
