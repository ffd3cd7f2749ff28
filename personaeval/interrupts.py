"""Let a command be stopped at any time, and end in order."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

AGAIN_SECONDS = 0.002  # until a signal that came while the database was being spoken to is tried again
PATIENCE_SECONDS = 5.0  # after which it interrupts all the same: a database that is frozen answers nothing


class Interruptible:
    """A context in which the first SIGINT or SIGTERM raises KeyboardInterrupt, also in the middle of a batch.

    Where it is not `armed`, a signal waits: for `arm()`, or for the end of the context. Later ones are ignored: they
    would leave leases to expire that are just being given back. One that comes while the database is spoken to waits
    for the answer: interrupted between sending and reading, or half-way into a transaction, a connection refuses
    everything that a run has to write at its end.
    """

    def __init__(self, *, armed: bool = True) -> None:
        self._armed = armed
        self._asked = self._raised = False
        self._asked_at = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        # Python lets only the main thread handle signals.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._armed = False
        if self._before:
            signal.setitimer(signal.ITIMER_REAL, 0)  # or it would meet the handler that stood here before
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if error is None and self._asked and not self._raised:
            self._interrupt()

    def arm(self) -> None:
        """From now on a signal interrupts; one that came before does so at once."""
        self._armed = True
        if self._asked and not self._raised:
            self._interrupt()

    def disarm(self) -> None:
        """From now on a signal waits for the end of the context."""
        self._armed = False

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A context within which a signal waits for its end, for what has to be done as a whole."""
        armed, self._armed = self._armed, False
        try:
            yield
        finally:
            if armed:
                self.arm()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGALRM and not self._asked:
            self._asked, self._asked_at = True, time.monotonic()
        if not self._armed or self._raised:
            return
        if _is_speaking(frame) and time.monotonic() - self._asked_at < PATIENCE_SECONDS:
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
            return
        self._interrupt()

    def _interrupt(self) -> None:
        self._raised = True
        raise KeyboardInterrupt


def _is_speaking(frame: FrameType | None) -> bool:
    """Whether the code that a signal came upon was called, however deeply, by Django's database code or by psycopg."""
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(("django.db.", "psycopg.")):
            return True
        frame = frame.f_back
    return False
