"""A full disk and a database that may not be written are said in plain words, with what to do."""

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from modelhub.models import InferredPersona, Run
from modelhub.runs.rows import BatchOptions, run_engine_stage
from modelhub.stages.infer_personas import InferPersonas, infer_personas
from modelhub.systems.registering import system_register
from personaeval.storage import storage_problem
from tests.modelhub.pair_rows import make_pairs, picking_script
from tests.tools.processes import project_environment

pytestmark = pytest.mark.django_db
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full, the disk that is always full")


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[BaseDatabaseWrapper]:
    """A database of its own with one table."""
    handler = ConnectionHandler({"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "db.sqlite3"}})
    found = handler["default"]
    with found.cursor() as cursor:
        cursor.execute("CREATE TABLE notes (text)")
    yield found
    found.close()


def write_rows(database: BaseDatabaseWrapper, *pragmas: str) -> str:
    with database.cursor() as cursor:
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        with pytest.raises(OperationalError) as raised:
            for _ in range(1000):
                cursor.execute("INSERT INTO notes VALUES (%s)", ["x" * 1000])
    return storage_problem(raised.value)


def fill_disk() -> None:
    with FULL.open("w") as file:
        file.write("x" * 100_000)


def test_a_full_database_is_said_with_what_to_do(sqlite: BaseDatabaseWrapper) -> None:
    said = write_rows(sqlite, "max_page_count = 20")
    assert "database or disk is full" in said and "Free some space. Then give the same command again" in said


def test_a_read_only_database_is_said_with_what_to_do(sqlite: BaseDatabaseWrapper) -> None:
    said = write_rows(sqlite, "query_only = 1")
    assert "attempt to write a readonly database" in said and "Let the account that runs this write to it" in said


def test_a_database_in_no_folder_is_said_with_what_to_do(tmp_path: Path) -> None:
    nowhere = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "nowhere" / "db.sqlite3"}
    with pytest.raises(OperationalError) as raised:
        ConnectionHandler({"default": nowhere})["default"].ensure_connection()
    assert "cannot be opened" in storage_problem(raised.value)


def test_other_mistakes_are_left_to_be_seen(sqlite: BaseDatabaseWrapper, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError) as raised, sqlite.cursor() as cursor:
        cursor.execute("SELECT * FROM nothing")
    assert storage_problem(raised.value) == ""
    with pytest.raises(FileNotFoundError) as missing:
        (tmp_path / "nothing").read_text(encoding="utf-8")
    assert storage_problem(missing.value) == ""


@needs_full
def test_a_full_disk_is_recognized_also_behind_another_error() -> None:
    try:
        try:
            fill_disk()
        finally:
            raise DatabaseError("the run could not be closed either")
    except DatabaseError as error:
        assert "its disk is full (No space left on device)" in storage_problem(error)


@needs_full
def test_a_run_that_meets_a_full_disk_says_so_where_it_can_still_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = picking_script(tmp_path, "The user is curious and prefers examples.")
    system_register(
        name="inferrer", engine="scripted", model=str(script), persona_style="none", decoding={"style": "pick"}
    )
    make_pairs("BeaverTails", "train", 3)
    stage = infer_personas(
        dataset="BeaverTails", splits=[], system="inferrer", directions=["chosen"], shots=0
    )  # fmt: skip
    store: Callable[..., None] = InferPersonas.store

    def meets_it(self: InferPersonas, **row: Any) -> None:
        if InferredPersona.objects.count() == 2:
            fill_disk()
        store(self, **row)

    monkeypatch.setattr(InferPersonas, "store", meets_it)
    with pytest.raises(OSError, match="No space left"):
        run_engine_stage(stage, BatchOptions(batch_size=1))
    run = Run.objects.get(stage="infer_personas")
    assert (run.state, run.done) == ("failed", 2)
    assert "its disk is full" in run.message


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("command", [("run_worker", "--once"), ("create_researcher", "ada")])
def test_a_command_ends_with_one_line_where_the_database_takes_nothing(command: tuple[str, ...]) -> None:
    sqlite = connection.vendor == "sqlite"

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=settings.BASE_DIR, capture_output=True, text=True, check=False,
        env={**project_environment(), "PGOPTIONS": "-c default_transaction_read_only=on"},
        preexec_fn=no_room if sqlite else None,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"CommandError: The database {connection.settings_dict['NAME']} " in done.stderr
    assert ("Free some space" if sqlite else "is read-only") in done.stderr
