"""After an erasure: make the database let go of the deleted text itself, not only of the rows."""

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.utils import OperationalError

CHECKPOINT_TRIES = 5
CHECKPOINT_WAIT_MS = 1000


def deleted_text_clean() -> bool:
    """Remove what deleted rows left behind in the database's files; return False if that has to be tried again.

    SQLite overwrites deleted cells (`secure_delete`), but rows that moved within the tree may have left copies in the
    unused part of a page, and the write-ahead log holds old pages: VACUUM writes every page anew, and the checkpoint
    empties the log, which waits for whoever still reads from it. On PostgreSQL VACUUM removes dead rows.
    Inside a transaction nothing can be done, so the answer is False there.
    """
    if connection.in_atomic_block:
        return False
    return _clean_sqlite() if connection.vendor == "sqlite" else _clean_postgresql()


def _clean_sqlite() -> bool:
    with connection.cursor() as cursor:
        before = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout = {CHECKPOINT_WAIT_MS}")
        try:
            for _ in range(CHECKPOINT_TRIES):
                if _vacuum_and_checkpoint(cursor):
                    return True
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {before}")
    return False


def _vacuum_and_checkpoint(cursor: CursorWrapper) -> bool:
    try:
        cursor.execute("VACUUM")
        busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except OperationalError:  # somebody holds the write lock
        return False
    return not busy


def _clean_postgresql() -> bool:
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM {', '.join(map(connection.ops.quote_name, tables))}")
    return True
