"""Keep a run and its leases alive while a batch is being made."""

import logging
import threading
from types import TracebackType

from django.db import DatabaseError, connection

from annotation.services.queue import outputs_renew
from modelhub.models import Run
from modelhub.runs.lifecycle import RunStopped, RunTakenOver, run_heartbeat

logger = logging.getLogger(__name__)


class Heartbeat:
    """A context in which a thread renews the leases of `run` three times per lease, on a connection of its own."""

    def __init__(self, run: Run, *, lease_seconds: int) -> None:
        self._run = run
        self._lease_seconds = lease_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{run.key}", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._over.wait(self._lease_seconds / 3):
                self._renew()
        finally:
            connection.close()

    def _renew(self) -> None:
        try:
            outputs_renew(holder=self._run.key, lease_seconds=self._lease_seconds)
            run_heartbeat(run=self._run, lease_seconds=self._lease_seconds)
        except (RunTakenOver, RunStopped) as error:
            # The thread at work learns of it at its next own heartbeat, between two batches.
            logger.warning("%s", error)
        except DatabaseError as error:
            # Two more beats fit into the lease; the next one gets a fresh connection.
            logger.warning("run %s could not renew its leases: %s", self._run.key, error)
            connection.close()
