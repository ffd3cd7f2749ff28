"""Writers of one process take turns on SQLite, and a turn ends however its transaction does."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db.utils import ConnectionHandler, OperationalError

from personaeval import settings as configuration

pytestmark = pytest.mark.django_db  # for the connections of these tests' own, no more


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "turns.sqlite3"
    with sqlite3.connect(path) as plain:
        plain.execute("CREATE TABLE notes (text)")
    plain.close()
    return path


def connect(path: Path) -> Any:
    config = configuration.database(f"sqlite:///{path}")
    config["OPTIONS"]["timeout"] = 0.05
    connection = ConnectionHandler({"default": config})["default"]
    connection.connect()
    return connection


@pytest.fixture
def one(path: Path) -> Iterator[Any]:
    connection = connect(path)
    yield connection
    connection.close()


@pytest.fixture
def other(path: Path) -> Iterator[Any]:
    connection = connect(path)
    yield connection
    connection.close()


def begin(connection: Any) -> None:
    connection.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)


def write(connection: Any) -> None:
    begin(connection)
    connection.cursor().execute("INSERT INTO notes VALUES ('written')")
    connection.commit()
    connection.set_autocommit(True)


def test_nobody_begins_while_another_thread_has_the_turn_and_who_waits_too_long_is_told(one, other):
    begin(one)
    with pytest.raises(OperationalError, match="database is locked"):
        begin(other)


@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_the_next_has_its_turn_however_a_transaction_ends(one, other, end):
    begin(one)
    getattr(one, end)()
    write(other)


def test_a_turn_that_could_not_be_used_since_another_process_writes_is_given_back(path, one, other):
    elsewhere = sqlite3.connect(path, isolation_level=None)
    elsewhere.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError, match="database is locked"):
        begin(one)
    elsewhere.execute("COMMIT")
    elsewhere.close()
    write(other)


def test_writers_of_different_databases_do_not_wait_for_each_other(one, tmp_path):
    other = connect(tmp_path / "another.sqlite3")
    begin(one)
    begin(other)
    other.close()


def test_a_connection_is_kept_for_the_next_request() -> None:
    config: Callable[[str], dict[str, Any]] = configuration.database
    assert config("sqlite:////tmp/x.sqlite3")["CONN_MAX_AGE"] == configuration.KEPT_SECONDS
