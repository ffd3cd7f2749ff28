"""SQLite for many threads: whoever begins a transaction waits for its turn, and goes on as soon as it has come.

SQLite has one writer at a time. A connection that finds the write lock taken sleeps, up to a tenth of a second, and
tries again, whatever has happened meanwhile: with sixteen threads most of the time was spent asleep while nobody wrote.
Here the threads of a process take turns by a lock that wakes the next one at once, and the one whose turn it is looks
every few hundred microseconds whether another process is done. Measured by `python -m benchmarks.load`.
"""

import random
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError

from personaeval.private import make_private, tighten

_turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_TIMEOUT = 5.0  # seconds; SQLite's own default
# A save holds the lock for about a millisecond. Looking costs some ten microseconds of processor time.
_LOOK_EVERY = 0.0003  # seconds


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose transactions begin when it is their turn."""

    _has_turn = False

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Open the file, which its owner alone may read; SQLite gives the same mode to the files beside it."""
        if not self.is_in_memory_db():
            make_private(Path(self.settings_dict["NAME"]))
            for beside in ("-wal", "-shm"):
                tighten(Path(f"{self.settings_dict['NAME']}{beside}"))
        return super().get_new_connection(conn_params)

    def _start_transaction_under_autocommit(self) -> None:
        deadline = time.monotonic() + self._timeout
        with ExitStack() as unless_begun:
            self._take_turn()
            unless_begun.callback(self._end_turn)
            self._begin(deadline)
            unless_begun.pop_all()

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._end_turn()  # not where the commit failed: the transaction goes on until it is rolled back

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._end_turn()

    @property
    def _timeout(self) -> float:
        return float(self.settings_dict["OPTIONS"].get("timeout", _TIMEOUT))

    @property
    def _turn(self) -> threading.Lock:
        return _turns[str(self.settings_dict["NAME"])]

    def _take_turn(self) -> None:
        if not self._turn.acquire(timeout=self._timeout):
            raise OperationalError("database is locked")
        self._has_turn = True

    def _end_turn(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._turn.release()

    def _begin(self, deadline: float) -> None:
        """Begin as soon as no other process writes, without SQLite's own sleeping."""
        with self.wrap_database_errors:
            connection: Any = self.connection
            connection.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    return super()._start_transaction_under_autocommit()  # type: ignore[misc]
                except OperationalError as error:
                    if not _is_locked(error) or time.monotonic() > deadline:
                        raise
                time.sleep(_LOOK_EVERY * (0.5 + random.random()))
        finally:
            connection.execute(f"PRAGMA busy_timeout = {round(self._timeout * 1000)}")


def _is_locked(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
