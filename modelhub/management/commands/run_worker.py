"""`manage.py run_worker`: make requested outputs until stopped."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
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
        with _Interruptible() as signals:
            run = run_start(
                stage="serve_outputs",
                arguments={name: options[name] for name in ("once", "batch_size", "poll_seconds", "lease_seconds")},
                lease_seconds=serve_options.lease_seconds,
            )
            server = Server(run=run, options=serve_options)
            _serve(server, signals)
        self.stdout.write(f"Run {run.key} {run.state}: {server.done} outputs made, {server.failed} attempts failed.")


def _serve(server: Server, signals: "_Interruptible") -> None:
    """Serve until done or interrupted, and close the run in every case."""
    state, message = Run.State.FAILED, "The worker ended with an error; see its log."
    try:
        with _progress(server):
            signals.arm()
            server.serve()
        state, message = Run.State.FINISHED, ""
    except KeyboardInterrupt:
        state, message = Run.State.STOPPED, "Stopped by a signal; what was not finished went back to the queue."
    finally:
        run_finish(run=server.run, state=state, message=message)


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


class _Interruptible:
    """A context in which the first SIGINT or SIGTERM raises KeyboardInterrupt, also in the middle of a batch.

    One that comes before `arm()` waits for it, so that no run is left without an end. Later ones are ignored: they
    would leave leases to expire that are just being given back.
    """

    def __init__(self) -> None:
        self._armed = self._asked = self._raised = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "_Interruptible":
        # Python lets only the main thread handle signals.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def arm(self) -> None:
        """From now on a signal interrupts; one that came before does so at once."""
        self._armed = True
        if self._asked:
            self._interrupt()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if self._armed and not self._raised:
            self._interrupt()

    def _interrupt(self) -> None:
        self._raised = True
        raise KeyboardInterrupt


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
