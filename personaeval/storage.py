"""Say in plain words that a disk is full, or a database cannot be written, and what to do about it."""

import errno
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection, transaction

logger = logging.getLogger(__name__)

_FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# SQLite reports a full disk also as an input or output error, where the file beside the database could not grow.
_SQLITE = {"SQLITE_FULL": "full", "SQLITE_IOERR": "full", "SQLITE_READONLY": "read-only", "SQLITE_CANTOPEN": "closed"}
_POSTGRESQL = {"53100": "full", "25006": "read-only"}
_AGAIN = "Then give the same command again; what is stored stays."


def storage_problem(error: BaseException) -> str:
    """Return what is wrong with the disk or the database and what to do; empty if the error is another one.

    What the error was raised from, or while handling, counts too.
    """
    for one in _chain(error):
        if isinstance(one, OSError) and (said := _file_problem(one)):
            return said
        if isinstance(one, DatabaseError) and (said := _database_problem(one)):
            return said
    return ""


@contextmanager
def reading_goes_on(what: str) -> Iterator[None]:
    """Let what is only noted beside reading fail where nothing can be stored; the log says so with `what` it was."""
    try:
        with transaction.atomic():
            yield
    except DatabaseError as error:
        said = storage_problem(error)
        if not said:
            raise
        logger.error("not stored: %s. %s", what, said)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _file_problem(error: OSError) -> str:
    name = error.filename or "A file"
    if error.errno in _FULL_DISK:
        return f"{name} cannot be written: its disk is full ({error.strerror}). Free some space. {_AGAIN}"
    if error.errno == errno.EROFS:
        return f"{name} cannot be written: its disk is read-only. Mount it for writing, or name another place."
    return ""


def _database_problem(error: DatabaseError) -> str:
    name = connection.settings_dict["NAME"]
    kind = _kind(error.__cause__)
    if kind == "full":
        return f"The database {name} cannot be written ({error}): its disk is full or fails. Free some space. {_AGAIN}"
    if kind == "read-only":
        return (
            f"The database {name} is read-only ({error}). Let the account that runs this write to it (with SQLite, to "
            f"the file and its folder). {_AGAIN}"
        )
    if kind == "closed":
        return (
            f"The database {name} cannot be opened ({error}). Its folder must be there, and the account that runs this "
            "must be allowed to write to it; see DATABASE_URL."
        )
    return ""


def _kind(cause: BaseException | None) -> str:
    if isinstance(cause, sqlite3.Error):
        name = getattr(cause, "sqlite_errorname", "")  # such as SQLITE_READONLY_DBMOVED
        return next((kind for start, kind in _SQLITE.items() if name.startswith(start)), "")
    return _POSTGRESQL.get(getattr(cause, "sqlstate", None) or "", "")
