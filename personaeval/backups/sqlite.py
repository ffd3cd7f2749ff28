"""Back up and restore SQLite: a copy made by SQLite itself, beside the live file, and a rename."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

from django.db import connection

from annotation.errors import ServiceError
from personaeval.backups.archive import Backup, Progress
from personaeval.backups.aside import draft_in, put
from personaeval.backups.manifest import Contents, same_rows
from personaeval.backups.places import in_use_by, needs_a_database

COMPRESS = True
LOOK_EVERY = 100_000  # steps of SQLite's virtual machine
WAIT_SECONDS = 20.0
RESTS = ("-wal", "-shm", "-journal")


@contextmanager
def dumped(target: Path, progress: Progress) -> Iterator[tuple[IO[bytes], Contents]]:
    """Yield a copy of the database as it is at one moment, and what it holds. Nobody has to wait for it."""
    if not _path().is_file():
        raise needs_a_database(str(_path()))
    with draft_in(target.parent) as copy:
        try:
            with closing(_connect(_path())) as source:
                source.set_progress_handler(_Watch(copy, progress), LOOK_EVERY)
                source.execute("VACUUM INTO ?", [str(copy)])
            with closing(_connect(copy)) as database:
                contents = _checked(database)
        except sqlite3.Error as error:
            if error.sqlite_errorname == "SQLITE_INTERRUPT":  # a signal came while it was watched
                raise KeyboardInterrupt from error
            raise ServiceError(
                f"The database {_path()} cannot be copied into {target.parent}: {error}. It needs room there for a "
                "whole copy, and for the backup made of it."
            ) from error
        with copy.open("rb") as file:
            yield file, contents


def server() -> str:
    """Return SQLite's version."""
    return sqlite3.sqlite_version


def load(backup: Backup, progress: Progress) -> None:
    """Put the backup into the empty place that DATABASE_URL names, whole or not at all.

    Raises ServiceError where the place is not empty, is in use, or the dump does not hold what it should.
    """
    place, meant = _path(), backup.manifest.contents
    there = _there(place)
    if there == meant:
        return
    in_use_by(there.rows, str(place), "move the file away (with its -wal and -shm)")
    with draft_in(place.parent) as draft:
        with draft.open("wb") as sink:
            for chunk in backup.chunks(progress):
                sink.write(chunk)
        try:
            with closing(_connect(draft)) as database:
                same_rows(_checked(database), meant)
        except sqlite3.Error as error:
            raise ServiceError(f"{backup.path} holds no SQLite database that can be read: {error}.") from error
        _close_for_good(place)
        put(draft, place)


def _path() -> Path:
    return Path(connection.settings_dict["NAME"])


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=WAIT_SECONDS, isolation_level=None)


class _Watch:
    """Called by SQLite while it copies: says how much longer the copy has become."""

    def __init__(self, copy: Path, progress: Progress) -> None:
        self._copy, self._progress, self._told = copy, progress, 0

    def __call__(self) -> int:
        size = self._copy.stat().st_size
        self._progress(size - self._told)
        self._told = size
        return 0  # go on


def _checked(database: sqlite3.Connection) -> Contents:
    """Return what a database holds; ServiceError where it is damaged or a row refers to one that is not there."""
    (said,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if said != "ok":
        raise ServiceError(f"The database is damaged: {said}.")
    if broken := database.execute("PRAGMA foreign_key_check").fetchone():
        raise ServiceError(f"A row of {broken[0]} in the database refers to one of {broken[2]} that is not there.")
    return _contents(database)


def _contents(database: sqlite3.Connection) -> Contents:
    names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    count = 'SELECT count(*) FROM "{}"'  # of names that the file itself has told
    rows = {name: database.execute(count.format(name)).fetchone()[0] for (name,) in names.fetchall()}
    if "django_migrations" not in rows:
        return Contents([], rows)
    applied = database.execute("SELECT app || '.' || name FROM django_migrations ORDER BY app, name")
    return Contents([one for (one,) in applied], rows)


def _there(place: Path) -> Contents:
    """Return what is at the place already."""
    if not place.exists():
        if rests := [f"{place}{rest}" for rest in RESTS if Path(f"{place}{rest}").exists()]:
            raise ServiceError(
                f"{place} is gone, but {rests[0]} is still there and would be read into the restored database. Stop "
                "the site and move it away."
            )
        return Contents([], {})
    try:
        with closing(_connect(place)) as database:
            return _contents(database)
    except sqlite3.Error as error:
        raise ServiceError(f"{place} is there and cannot be read ({error}). Stop the site and move it away.") from error


def _close_for_good(place: Path) -> None:
    """End the write-ahead log of an unused database; ServiceError where a process has it open."""
    if not place.exists():
        return
    try:
        with closing(_connect(place)) as database:
            database.execute("PRAGMA busy_timeout = 0")
            database.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        raise ServiceError(f"{place} is open in another process ({error}). Stop the site and its workers.") from error
