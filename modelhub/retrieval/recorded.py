"""One run around a piece of work: recorded, alive while it lasts, and closed however it ends."""

from collections.abc import Callable
from typing import Any

from annotation.errors import ServiceError
from modelhub.models import Run
from modelhub.runs.heartbeat import Heartbeat
from modelhub.runs.lifecycle import run_finish


def work_recorded(
    run: Run, work: Callable[[], None], *, lease_seconds: int, usage: Callable[[], dict[str, Any]]
) -> None:
    """Do the work under a heartbeat and close the run, with what `usage` says then; only a kill leaves it open.

    An interruption goes on up; so does a ServiceError, with the run's name put before.
    """
    state, message = Run.State.FAILED, "It ended with an error; see the terminal."
    try:
        with Heartbeat(run, lease_seconds=lease_seconds):
            work()
        state, message = Run.State.FINISHED, ""
    except KeyboardInterrupt:
        state, message = Run.State.STOPPED, "Stopped by a signal. The same command goes on from here."
        raise
    except ServiceError as error:
        message = str(error)
        raise ServiceError(f"Run {run.key} failed: {error}") from error
    finally:
        run_finish(run=run, state=state, message=message, usage=usage())
