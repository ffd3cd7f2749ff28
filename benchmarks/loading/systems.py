"""What is measured: how each system is set up, entered, and looked at afterwards."""

import contextlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.loading import ours
from benchmarks.loading.generator import Behaviour
from benchmarks.loading.servers import ROOT, WebServer, ask, free_port, parent_of, run_quietly
from benchmarks.loading.task import ITEMS
from tests.tools.postgres import postgres_server


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    port: int
    trees: dict[str, list[int]]  # the first processes of the server, by name


@dataclass(frozen=True)
class Wanted:
    """So many participants of a load, and as many who take over from those who finish."""

    people: int
    ready: int = 0


class System(ABC):
    """One web server with participants on it. `behaviours` says what they can do, by measure; `absent` why not all."""

    name: str
    behaviours: dict[str, Behaviour]
    absent: dict[str, str] = {}

    @abstractmethod
    def prepared(self, folder: Path, wanted: dict[str, Wanted]) -> AbstractContextManager[dict[str, list[list[str]]]]:
        """Set everything up in `folder`; yields each load's links."""

    @abstractmethod
    def serving(self, workers: int | None = None) -> AbstractContextManager[Running]:
        """Run the server."""

    @abstractmethod
    def check(self, load: str, acknowledged: dict[str, Any]) -> str:
        """Say whether exactly what was acknowledged in a load is stored."""


class Ours(System):
    """This project, as docs/ deploy it: gunicorn with the configuration in deploy/, static files collected."""

    behaviours = {"save": ours.saves, "submit": ours.submits, "sizing": ours.thoughtful}

    def __init__(self, database: str) -> None:
        self.database = database
        self.name = f"ours-{database}"
        self.environment: dict[str, str] = {}

    @contextlib.contextmanager
    def prepared(self, folder: Path, wanted: dict[str, Wanted]) -> Iterator[dict[str, list[list[str]]]]:
        with contextlib.ExitStack() as stack:
            url = f"sqlite:///{folder / 'load.sqlite3'}"
            if self.database == "postgresql":
                url = stack.enter_context(postgres_server())
                _as_in_use(url)
            self.folder = folder
            # Nothing that is configured for somebody's own site.
            plain = dict.fromkeys(("DEBUG", "HTTPS", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "SECRET_KEY_FILE"), "")
            self.environment = {**plain, "VAR_DIR": str(folder / "var"), "DATABASE_URL": url}
            run_quietly(
                [sys.executable, "manage.py", "collectstatic", "--noinput"],
                folder=ROOT, environment=self.environment, seconds=120,
            )  # fmt: skip
            numbers = {name: {"people": some.people, "ready": some.ready} for name, some in wanted.items()}
            made = ask("benchmarks.loading.study", "make", numbers, self.environment)
            yield {name: shares(links["people"], links["ready"]) for name, links in made.items()}

    @contextlib.contextmanager
    def serving(self, workers: int | None = None) -> Iterator[Running]:
        port = free_port()
        command = [
            sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--bind", f"127.0.0.1:{port}",
            "personaeval.wsgi",
        ]  # fmt: skip
        some = {"WEB_CONCURRENCY": str(workers)} if workers else {}
        with WebServer(command, port=port, folder=self.folder, environment={**self.environment, **some}) as server:
            trees = {"web": [server.pid]}
            if self.database == "postgresql":
                trees["postgres"] = [_postmaster(self.environment["DATABASE_URL"])]
            yield Running(port, trees)

    def check(self, load: str, acknowledged: dict[str, Any]) -> str:
        question = {"study": load, "answers": acknowledged}
        found = ask("benchmarks.loading.study", "check", question, self.environment)
        return "{answers} answers, {parts} parts, {lost} lost, {doubled} doubled".format(**found)


def _as_in_use(url: str) -> None:
    """Take back what makes the server quick for tests: nobody runs a study without fsync and autovacuum."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM RESET fsync")
        connection.execute("ALTER SYSTEM RESET autovacuum")
        connection.execute("SELECT pg_reload_conf()")


def _postmaster(url: str) -> int:
    """Return the process that all of a server's are children of."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row
        return parent_of(row[0])


def shares(people: list[str], ready: list[str]) -> list[list[str]]:
    """Give each participant the links of those who take over from them; with nobody to take over from, one each."""
    if not people:
        return [[link] for link in ready]
    return [[link, *ready[number :: len(people)]] for number, link in enumerate(people)]


def reserve(people: int, seconds: float, rate: float) -> int:
    """Return how many participants finish in that time at so many parts a second, and one more for each."""
    return int(seconds * rate / ITEMS) + people
