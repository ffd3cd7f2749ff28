"""SQLite for many threads: whoever begins a transaction waits in a queue, not by sleeping and looking again.

SQLite has one writer at a time. A connection that finds the write lock taken sleeps for up to a tenth of a second and
tries again, whatever has happened meanwhile: with sixteen threads most of the time was spent asleep while nobody wrote.
The threads of one process therefore take turns by a lock that wakes the next one at once; between processes SQLite's
own waiting remains, among as many as there are processes.
"""

import threading
from collections import defaultdict
from typing import Any

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError

_turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_SECONDS = 5.0  # SQLite's own default


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose transactions begin when it is their turn in this process."""

    _has_turn = False

    def _start_transaction_under_autocommit(self) -> None:
        self._take_turn()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._end_turn()
            raise

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
    def _turn(self) -> threading.Lock:
        return _turns[str(self.settings_dict["NAME"])]

    def _take_turn(self) -> None:
        seconds: Any = self.settings_dict["OPTIONS"].get("timeout", _SECONDS)
        if not self._turn.acquire(timeout=seconds):
            raise OperationalError("database is locked")
        self._has_turn = True

    def _end_turn(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._turn.release()
