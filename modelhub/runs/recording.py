"""The one way to run a stage: recorded while it lasts, and closed however it ends, short of a kill."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError

from annotation.errors import ServiceError
from modelhub.models import Run
from modelhub.runs.heartbeat import Heartbeat
from modelhub.runs.lifecycle import run_expect, run_finish, run_heartbeat, run_start
from modelhub.runs.parameters import LEASE_SECONDS
from personaeval.interrupts import Interruptible
from personaeval.storage import storage_problem

GOES_ON = "The same command goes on from here."
_ERROR = "It ended with an error; see the terminal."


@dataclass
class Execution:
    """A run that goes on, to which the work reports.

    `remark` is kept with the run, whatever becomes of it; `usage` says at the end what the engine has used.
    `uninterrupted` gives contexts in which a signal waits for their end.
    """

    run: Run
    lease_seconds: int
    uninterrupted: Callable[[], AbstractContextManager[None]]
    remark: str = ""
    usage: Callable[[], Mapping[str, Any]] = dict
    done: int = 0

    def expect(self, total: int) -> None:
        """Say how many rows there are to do, where that is found out on the way."""
        run_expect(run=self.run, total=total)

    def advance(self, done: int = 0, *, failed: int = 0) -> None:
        """Count rows, and show that the run is alive.

        Raises RunTakenOver if another one has begun on its scope, and RunStopped if somebody has stopped this one.
        """
        run_heartbeat(run=self.run, done=done, failed=failed, lease_seconds=self.lease_seconds)
        self.done += done


@contextmanager
def recorded_run(
    *,
    leaves: str = GOES_ON,
    renewed: bool = True,
    named: bool = False,
    lease_seconds: int = LEASE_SECONDS,
    **recorded: Any,
) -> Iterator[Execution]:
    """Start a run, as `run_start` takes it, let the work be done, and close the run with its end and the reason.

    A first SIGINT or SIGTERM ends the work with a KeyboardInterrupt, which goes up, as every error does. `leaves` says
    what an early end leaves behind. `renewed` runs renew their lease beside the work; one long transaction on SQLite
    lets nobody do so, and takes a long lease instead. A ServiceError of a `named` run goes up with the run's key.
    Raises ScopeTaken while another run works on the scope; nothing is done then.
    """
    with Interruptible(armed=False) as signals:
        execution = Execution(run_start(lease_seconds=lease_seconds, **recorded), lease_seconds, signals.waiting)
        state, message = Run.State.FAILED, f"{_ERROR} {leaves}"
        try:
            with ExitStack() as stack:
                if renewed:
                    stack.enter_context(Heartbeat(execution.run, lease_seconds=lease_seconds))
                signals.arm()
                yield execution
            state, message = Run.State.FINISHED, ""
        except KeyboardInterrupt:
            state, message = Run.State.STOPPED, f"Stopped by a signal. {leaves}"
            raise
        except ServiceError as error:
            message = str(error)
            if named:
                raise ServiceError(f"Run {execution.run.key} failed after {execution.done} rows: {error}") from error
            raise
        except (DatabaseError, OSError) as error:
            message = storage_problem(error) or message
            raise
        finally:
            signals.disarm()  # a signal that comes now waits until the run is closed
            said = "\n".join(text for text in (message, execution.remark) if text)
            run_finish(run=execution.run, state=state, message=said, usage=execution.usage())
