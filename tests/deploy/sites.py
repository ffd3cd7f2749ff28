"""Sites in places of their own: an empty database beside the running test's, of the same kind, and its commands."""

import io
import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from tests.tools.processes import project_environment, running_database_url

Done = subprocess.CompletedProcess[str]


@dataclass
class Site:
    """A place: `environment` names its folder and its database."""

    environment: dict[str, str]
    folder: Path
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    def manage(self, *arguments: object, **environment: str) -> Done:
        """Run a command to its end, however it ends."""
        return subprocess.run(
            [sys.executable, "manage.py", *map(str, arguments)],
            cwd=settings.BASE_DIR,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def begin(self, *arguments: object) -> "subprocess.Popen[str]":
        """Start a command, to be killed."""
        process = subprocess.Popen(
            [sys.executable, "manage.py", *map(str, arguments)],
            cwd=settings.BASE_DIR,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.started.append(process)
        return process

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, asked without Django."""
        url = self.environment["DATABASE_URL"]
        if connection.vendor == "sqlite":
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
                return database.execute(query).fetchall()
        with psycopg.connect(_uri(url)) as server:
            return server.execute(query.encode()).fetchall()

    def is_empty(self) -> bool:
        """Whether there is no table, and on SQLite no file at all."""
        if connection.vendor == "sqlite":
            return not Path(self.environment["DATABASE_URL"].removeprefix("sqlite:///")).exists()
        return not self.ask("SELECT 1 FROM pg_tables WHERE schemaname = 'public'")


def original() -> Site:
    """The site on the running test's database."""
    return Site(project_environment(), Path(settings.VAR_DIR))


@contextmanager
def empty_site(folder: Path, name: str = "restored") -> Iterator[Site]:
    """Yield a site whose database holds nothing; it is gone at the end, with what was started on it."""
    folder.mkdir()
    url = f"sqlite:///{folder / 'db.sqlite3'}"
    if connection.vendor != "sqlite":
        url = running_database_url().rpartition("/")[0] + f"/{name}_{os.getpid()}"
        _on_server(f"CREATE DATABASE {url.rpartition('/')[2]}")
    site = Site({**project_environment(), "VAR_DIR": str(folder), "DATABASE_URL": url}, folder)
    try:
        yield site
    finally:
        for process in site.started:
            process.kill()
            process.wait()
        if connection.vendor != "sqlite":
            _on_server(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")


def _uri(url: str) -> str:
    return url.replace("postgres://", "postgresql://", 1)


def _on_server(statement: str) -> None:
    with psycopg.connect(_uri(os.environ["DATABASE_URL"]), autocommit=True) as server:
        server.execute(statement.encode())


def manifest_of(backup: Path) -> dict[str, Any]:
    with zipfile.ZipFile(backup) as archive:
        return dict(json.loads(archive.read("manifest.json")))


def with_manifest(backup: Path, target: Path, **changes: Any) -> Path:
    """Write the same backup with another manifest."""
    with zipfile.ZipFile(backup) as source, zipfile.ZipFile(target, "w") as sink:
        sink.writestr("database.dump", source.read("database.dump"))
        sink.writestr("manifest.json", json.dumps({**manifest_of(backup), **changes}))
    return target


def succeeded(done: Done) -> bool:
    assert done.returncode == 0, done.stderr
    return True


def here(command: str, *arguments: object) -> str:
    """Give a command on the running test's database and return what it says."""
    said = io.StringIO()
    call_command(command, *map(str, arguments), stdout=said)
    return said.getvalue()


def refusal_here(command: str, *arguments: object) -> str:
    with pytest.raises(CommandError) as caught:
        here(command, *arguments)
    return str(caught.value)


def refusal(done: Done) -> str:
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith("CommandError: "), done.stderr
    return done.stderr
