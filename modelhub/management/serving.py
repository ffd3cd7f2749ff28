"""How a command lets a worker serve: with a bar for people, and with its run closed however that ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from annotation.models import Output
from modelhub.models import Run
from modelhub.runs.lifecycle import run_finish
from modelhub.stages.serve_outputs import Server
from personaeval.interrupts import Interruptible


def serve_and_close(server: Server, signals: Interruptible) -> None:
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


@contextmanager
def _progress(server: Server) -> Iterator[None]:
    """Show a bar for a worker that empties the queue on a terminal; anything else gets log lines only."""
    if not (server.options.once and sys.stderr.isatty()):
        yield
        return
    requested = Output.objects.filter(state=Output.State.REQUESTED)
    if server.options.study is not None:
        requested = requested.filter(arm__study=server.options.study)
    total = requested.count()
    with tqdm(total=total, unit="output") as bar:
        server.on_output = bar.update
        yield
