"""No trace of an erased text remains in the files and rows of the database."""

import random
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection, transaction

from annotation.models import (
    Output,
    Participant,
    Persona,
)
from annotation.services import withdrawal
from annotation.services.participants import participant_create
from annotation.services.withdrawal import erasures_finish, participant_erase
from modelhub.models import Generation, Run
from tests.annotation.leaving import HERS, SECRET, call, live_study, walked
from tests.annotation.walking import make_ready
from tests.tools.processes import Server
from tests.tools.visitor import Visitor

pytestmark = pytest.mark.django_db


def traces_in_files(path: Path) -> list[str]:
    """Return the database's files that hold the secret in their raw bytes.

    Another process reads them. Closing such a file in this one would drop the locks that SQLite holds on it here; a
    server that ends then takes the log away, and everything that opens the database later meets a disk I/O error.
    """
    files = [f"{path}{ending}" for ending in ("", "-wal", "-shm", "-journal") if Path(f"{path}{ending}").exists()]
    found = subprocess.run(["grep", "-l", "-a", "-F", SECRET, *files], capture_output=True, text=True, check=False)
    assert found.returncode in (0, 1), found.stderr
    return [Path(line).name for line in found.stdout.splitlines()]


def traces_in_rows() -> list[str]:
    """Return every column of every table in which the secret stands."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            for column in connection.introspection.get_table_description(cursor, table):
                quoted = connection.ops.quote_name(column.name)
                cursor.execute(
                    f"SELECT count(*) FROM {connection.ops.quote_name(table)} WHERE CAST({quoted} AS TEXT) LIKE %s",
                    [f"%{SECRET}%"],
                )
                if cursor.fetchone()[0]:
                    found.append(f"{table}.{column.name}")
    return found


def traces() -> list[str]:
    return traces_in_rows() + (traces_in_files(database_file()) if connection.vendor == "sqlite" else [])


def database_file() -> Path:
    return Path(connection.settings_dict["NAME"])


@pytest.fixture
def reader() -> Iterator[Any]:
    """A connection of another process's kind that stays open beside the server, as a shell or a backup does."""
    if connection.vendor != "sqlite":
        yield None
        return
    with closing(sqlite3.connect(database_file(), isolation_level=None)) as other:
        other.execute("SELECT count(*) FROM annotation_rating").fetchone()
        yield other


@pytest.mark.django_db(transaction=True)
def test_no_trace_of_the_text_remains_while_the_server_runs_and_others_are_connected(
    server: Server, reader: Any
) -> None:
    study = live_study(written_items=30, written_per_participant=25)
    person = participant_create(study=study)
    participant_create(study=study)
    with Visitor(server.base_url) as visitor:
        visitor.get(f"/p/{person.token}/")
        visitor.send("/consent/", answer="agree")
        visitor.send("/instructions/")
        for number in range(12):  # enough for rows to move between pages of the database
            visitor.send("/persona/", text=f"{HERS['persona']} {number} {'and more ' * 150}")
            make_ready(HERS["output"] * 40)
            record_generations()
            visitor.get(f"/p/{person.token}/")
            first = {name: values[0] for name, values in visitor.scales().items()}
            visitor.send("/complete/", **first)
        assert visitor.step == "write"
        assert len(traces()) >= 3
        visitor.get(f"/p/{person.token}/leave/")
        visitor.post(f"/p/{person.token}/leave/", {**hidden(visitor), "choice": "erase"})
        assert visitor.step == "erased"
        assert "still to be cleaned" not in visitor.page.text_content()
    assert traces() == []
    assert server.output().count(SECRET) == 0


def hidden(visitor: Visitor) -> dict[str, str]:
    return {"csrfmiddlewaretoken": visitor.page.xpath("//input[@name='csrfmiddlewaretoken']/@value")[0]}


def record_generations() -> None:
    """Record for each new output what a worker records: the prompt, which holds the persona."""
    run, _ = Run.objects.get_or_create(
        stage="serve", defaults={"heartbeat_at": "2030-01-01T00:00Z", "lease_until": "2030-01-01T00:00Z"}
    )
    for output in Output.objects.filter(state="ready", generation__isnull=True).select_related("persona"):
        Generation.objects.create(
            run=run, output=output, rendered_prompt=f"Persona: {output.persona.text}", finish_reason="stop"
        )


@pytest.mark.django_db(transaction=True)
def test_rows_that_moved_within_the_database_leave_no_copy_behind() -> None:
    """On SQLite, `secure_delete` alone leaves text in the unused parts of pages from which rows were moved away."""
    study = live_study(written_items=600)
    people = [participant_create(study=study) for _ in range(4)]
    growing = random.Random(1)
    with transaction.atomic():
        for number, item in enumerate(study.items.all()):
            author = growing.choice(people)
            word = SECRET if author == people[0] else "other"
            persona = Persona.objects.create(item=item, source="written", author=author, text=word)
            for written in (persona, Persona.objects.order_by("pk")[growing.randrange(number + 1)]):
                text = (SECRET if written.author_id == people[0].pk else "other") + "z" * growing.randrange(1500)
                Persona.objects.filter(pk=written.pk).update(text=text)
    assert traces()
    participant_erase(participant=people[0])
    assert traces() == []


@pytest.mark.django_db(transaction=True)
def test_an_erasure_that_finds_the_files_held_says_so_and_is_finished_later(reader: Any) -> None:
    if reader is None:
        pytest.skip("Only SQLite keeps deleted text in a log that a reader can hold on to.")
    walker = walked(live_study())
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM annotation_rating").fetchone()
    page = walker.post("leave/", choice="erase").content.decode()
    assert "still to be cleaned" in page
    with pytest.raises(CommandError, match="1 erasures still wait"):
        call("finish_erasures")
    reader.execute("COMMIT")
    assert "finished" in call("finish_erasures")
    assert traces() == []
    assert Participant.objects.get().tombstone["files_cleaned"] is True
    assert erasures_finish() == 0


@pytest.mark.django_db(transaction=True)
def test_erasures_that_follow_each_other_share_one_cleaning_which_the_worker_sees_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cleanings: list[bool] = []
    clean = withdrawal.deleted_text_clean

    def counted() -> bool:
        cleanings.append(clean())
        return cleanings[-1]

    monkeypatch.setattr(withdrawal, "deleted_text_clean", counted)
    study = live_study()
    for _ in range(5):
        walked(study).post("leave/", choice="erase")
    assert len(cleanings) == 1
    assert sum(not erased.tombstone["files_cleaned"] for erased in Participant.objects.all()) == 4
    monkeypatch.setattr(withdrawal, "CLEAN_EVERY", timedelta(0))
    call("run_worker", "--once")
    assert len(cleanings) == 2
    assert all(erased.tombstone["files_cleaned"] for erased in Participant.objects.all())
    assert traces() == []
