"""Let a command be stopped at any time, and end in order."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self


class Interruptible:
    """A context in which the first SIGINT or SIGTERM raises KeyboardInterrupt, also in the middle of a batch.

    Where it is not `armed`, a signal waits: for `arm()`, or for the end of the context. Later ones are ignored: they
    would leave leases to expire that are just being given back.
    """

    def __init__(self, *, armed: bool = True) -> None:
        self._armed = armed
        self._asked = self._raised = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
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
        self._asked = True
        if self._armed and not self._raised:
            self._interrupt()

    def _interrupt(self) -> None:
        self._raised = True
        raise KeyboardInterrupt
