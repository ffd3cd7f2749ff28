"""Back up and restore PostgreSQL with its own pg_dump and pg_restore."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from django.db import OperationalError, ProgrammingError, connection, transaction
from psycopg.conninfo import make_conninfo

from annotation.errors import ServiceError
from personaeval.backups.archive import Backup, Progress
from personaeval.backups.manifest import Contents, same_rows
from personaeval.backups.places import in_use_by, needs_a_database

COMPRESS = False  # pg_dump has done it
# A migration that waits for a table has everybody else wait behind it: it must not wait for us for long, nor for ever,
# as when we hold the table and pg_dump queues behind the migration.
LOCK_SECONDS = 10
_BUSY = "Is `migrate` at work? Give the same command again when it is done."


@contextmanager
def dumped(target: Path, progress: Progress) -> Iterator[tuple[IO[bytes], Contents]]:
    """Yield what pg_dump writes, and what the database holds at the same moment. Nobody has to wait for it.

    Raises ServiceError where a table is being changed, as by `migrate`, for longer than LOCK_SECONDS.
    """
    program, tables = _program("pg_dump"), _tables()
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for limit in ("idle_in_transaction_session_timeout", "statement_timeout"):
            cursor.execute(f"SET LOCAL {limit} = 0")  # it takes as long as it takes
        # Before the moment of the snapshot: a table that is rewritten after it would pass for empty.
        _hold(tables)
        cursor.execute("SELECT pg_export_snapshot()")
        snapshot = f"--snapshot={cursor.fetchone()[0]}"
        contents = _contents()
        if not contents.migrations:
            raise needs_a_database(_name())
        wait = f"--lock-wait-timeout={1000 * LOCK_SECONDS}"
        command = [program, "--format=custom", "--no-owner", "--no-privileges", wait, snapshot]
        with _running(command, stdout=subprocess.PIPE) as process:
            assert process.stdout
            yield process.stdout, contents


def server() -> str:
    """Return the server's version."""
    major, minor = divmod(connection.pg_version, 10000)  # type: ignore[attr-defined]
    return f"{major}.{minor}"


def load(backup: Backup, progress: Progress) -> None:
    """Put the backup into the empty database that DATABASE_URL names, in one transaction.

    Raises ServiceError where the database is not empty, or pg_restore refuses the dump.
    """
    program, meant = _program("pg_restore"), backup.manifest.contents
    if _contents() != meant:
        _drop_unused_tables()
        command = [program, "--format=custom", "--no-owner", "--no-privileges", "--single-transaction"]
        with _running(command, stdin=subprocess.PIPE) as process:
            assert process.stdin
            # One that has ended says why: see _running.
            with suppress(BrokenPipeError), process.stdin as sink:
                for chunk in backup.chunks(progress):
                    sink.write(chunk)
        same_rows(_contents(), meant)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # the planner knows nothing of restored tables yet


def _name() -> str:
    return f"The database {connection.settings_dict['NAME']}"


def _hold(tables: list[str]) -> None:
    """Let nobody change these tables until the transaction ends; reading and writing rows goes on."""
    if not tables:
        return
    names = ", ".join(map(connection.ops.quote_name, tables))
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {1000 * LOCK_SECONDS}")
        try:
            cursor.execute(f"LOCK TABLE {names} IN ACCESS SHARE MODE")
        except (OperationalError, ProgrammingError) as error:  # held by somebody, or dropped in between
            raise ServiceError(f"A table cannot be read: {str(error).strip()}. {_BUSY}") from error


def _tables() -> list[str]:
    with connection.cursor() as cursor:
        found = connection.introspection.get_table_list(cursor)
    return sorted(table.name for table in found if table.type in "tp")


def _contents() -> Contents:
    with connection.cursor() as cursor:
        rows = {table: _count(table) for table in _tables()}
        if "django_migrations" not in rows:
            return Contents([], rows)
        cursor.execute("SELECT app || '.' || name FROM django_migrations ORDER BY app, name")
        return Contents([one for (one,) in cursor.fetchall()], rows)


def _count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")  # quoted  # nosec B608
        return int(cursor.fetchone()[0])


def _drop_unused_tables() -> None:
    """Take away what `migrate` has made in a database that nobody has used; ServiceError for any other table."""
    rows = _contents().rows
    remedy = "make a new database (createdb) and name it in DATABASE_URL"
    in_use_by(rows, _name(), remedy)
    ours = {*connection.introspection.django_table_names(include_views=False), "django_migrations"}
    if others := sorted(set(rows) - ours):
        raise ServiceError(f"{_name()} holds a table of something else, {others[0]}: {remedy}.")
    if rows:
        names = ", ".join(map(connection.ops.quote_name, sorted(rows)))
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {names}")


def _program(name: str) -> str:
    """Return the path of a client program that is at least as new as the server."""
    connection.ensure_connection()
    wanted = connection.pg_version // 10000  # type: ignore[attr-defined]
    path = shutil.which(name)
    remedy = (
        f"Install the client programs of PostgreSQL {wanted} (Debian, Ubuntu: postgresql-client-{wanted}), and have "
        f"their folder, such as /usr/lib/postgresql/{wanted}/bin, first on PATH."
    )
    if path is None:
        raise ServiceError(f"{name} is not on PATH. {remedy}")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\) (\d+)", said)
    if found is None or int(found[1]) < wanted:
        raise ServiceError(f"{path} is too old for the server: {said.strip() or 'no version'}. {remedy}")
    return path


@contextmanager
def _running(
    command: list[str], *, stdin: int | None = None, stdout: int | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a client program on the database; ServiceError with what it says where it fails, and its end in any case."""
    info = connection.connection.info
    reach = f"--dbname={make_conninfo(**info.get_parameters())}"
    secret = {"PGPASSWORD": info.password} if info.password else {}
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [*command, reach], stdin=stdin, stdout=stdout, stderr=complaints, env={**os.environ, **secret}
        )
        try:
            yield process
            process.wait()
        finally:
            process.kill()  # does nothing where it has ended
            process.wait()
        if process.returncode:
            complaints.seek(0)
            raise ServiceError(f"{Path(command[0]).name} failed: {_first_error(complaints.read())}")


def _first_error(said: bytes) -> str:
    lines = [line for line in said.decode(errors="replace").splitlines() if "error:" in line]
    if not lines:
        return "it was ended."
    return f"{lines[0]}. {_BUSY}" if "timeout" in lines[0] else lines[0]  # of waiting for a table; there is no other
