"""Ask for something that may hang, as a database that is away does, and wait for it no longer than said."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from django.db import connection

_T = TypeVar("_T")


class Within(Generic[_T]):
    """One piece of work, done in a thread of its own with a database connection of its own, by one thread at a time.

    Whoever asks while it is being done waits for the same result, and what is younger than `kept_seconds` is not done
    again: so nobody from outside can make it dear by asking often. Once the work is overdue everybody is told so at
    once: those who ask again and again would otherwise hold all threads of a process that has others to serve.
    """

    def __init__(self, work: Callable[[], _T], *, seconds: float, kept_seconds: float) -> None:
        self._work, self.seconds, self.kept_seconds = work, seconds, kept_seconds
        self._lock = threading.Lock()
        self._future: Future[_T] | None = None
        self._due_at = self._done_at = 0.0

    def result(self) -> _T:
        """Return what the work returns, or raise what it raises; TimeoutError if it is not done in time."""
        with self._lock:
            if self._future is None or self._is_over(self._future):
                self._future = Future()
                self._due_at = time.monotonic() + self.seconds
                # A daemon: a process that has to end does not wait for a database that does not answer.
                threading.Thread(target=self._run, args=(self._future,), name="operations", daemon=True).start()
            future, seconds_left = self._future, self._due_at - time.monotonic()
        return future.result(timeout=max(0.0, seconds_left))

    def _is_over(self, future: "Future[_T]") -> bool:
        return future.done() and time.monotonic() - self._done_at >= self.kept_seconds

    def _run(self, future: "Future[_T]") -> None:
        try:
            try:
                found = self._work()
            finally:
                connection.close()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._done_at = time.monotonic()
            future.set_exception(error)
        else:
            self._done_at = time.monotonic()
            future.set_result(found)
