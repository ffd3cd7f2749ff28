"""A database server that is away for a moment, as one that restarts is: told apart from all else, and waited for."""

import logging
import time
from collections.abc import Iterator

from django.db import InterfaceError, OperationalError, connection

from personaeval.storage import storage_problem

logger = logging.getLogger(__name__)

FIRST_WAIT = 0.25  # seconds
LONGEST_WAIT = 5.0  # seconds


def is_outage(error: Exception) -> bool:
    """Whether the database server has gone away and may come back. SQLite has no server."""
    gone = isinstance(error, OperationalError | InterfaceError)
    return gone and connection.vendor != "sqlite" and not storage_problem(error)


def waits() -> Iterator[float]:
    """Yield the seconds to wait after the first failure, the second, and so on."""
    seconds = FIRST_WAIT
    while True:
        yield seconds
        seconds = min(2 * seconds, LONGEST_WAIT)


def database_await(*, seconds: float) -> None:
    """Return as soon as the database answers; raise what keeps it from that if it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    for wait in waits():
        try:
            connection.ensure_connection()
        except (OperationalError, InterfaceError) as error:
            if not is_outage(error) or time.monotonic() + wait > deadline:
                raise
            logger.warning("no database (%s); the next try in %.1f s", type(error).__name__, wait)
            time.sleep(wait)
        else:
            return
