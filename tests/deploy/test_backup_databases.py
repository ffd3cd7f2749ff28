"""What only one of the two databases can do wrong when it is backed up or restored."""

import os
import resource
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from annotation.models import Study
from personaeval.backups import postgresql
from tests.deploy.sites import Site, here, refusal, refusal_here, succeeded
from tests.tools.processes import running_database_url, wait_until


def test_a_write_ahead_log_without_its_database_is_not_read_into_a_restored_one(backup: Path, place: Site) -> None:
    only_on("sqlite")
    rest = place.folder / "db.sqlite3-wal"
    rest.write_bytes(b"left over")
    assert str(rest) in refusal(place.manage("restore", backup))
    assert place.is_empty()


def test_an_unused_database_that_is_open_elsewhere_is_not_replaced(backup: Path, place: Site) -> None:
    only_on("sqlite")
    assert succeeded(place.manage("migrate", "--verbosity", 0))
    with closing(sqlite3.connect(place.folder / "db.sqlite3")) as elsewhere:
        elsewhere.execute("SELECT count(*) FROM annotation_study")
        assert "open in another process" in refusal(place.manage("restore", backup))
        assert elsewhere.execute("SELECT count(*) FROM annotation_study").fetchone() == (0,)


def test_a_backup_without_room_says_where_room_is_needed_and_leaves_nothing(study: Study, tmp_path: Path) -> None:
    only_on("sqlite")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        said = refusal_here("backup", tmp_path / "site.zip")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert f"cannot be copied into {tmp_path}" in said and "room" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("said", "told"), [("", "is not on PATH"), ("pg_dump (PostgreSQL) 9.6.1", "is too old")])
def test_a_client_program_that_does_not_fit_the_server_is_named(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    only_on("postgresql")
    if said:
        put_program(tmp_path / "pg_dump", f"echo '{said}'")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert told in refusal_here("backup", tmp_path / "site.zip")
    assert not (tmp_path / "site.zip").exists()


def test_what_is_written_between_counting_and_dumping_is_in_neither(
    study: Study, place: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_on("postgresql")
    real, psql = shutil.which("pg_dump"), shutil.which("psql")
    write = f"""'{psql}' '{running_database_url()}' -c "INSERT INTO django_content_type VALUES (9999, 'a', 'b')" """
    put_program(tmp_path / "pg_dump", f'[ "$1" = --version ] || {write}>&2\nexec \'{real}\' "$@"')
    with monkeypatch.context() as first:
        first.setenv("PATH", str(tmp_path), prepend=":")
        here("backup", tmp_path / "site.zip")
    assert ContentType.objects.filter(pk=9999).exists()
    assert succeeded(place.manage("restore", tmp_path / "site.zip"))
    assert place.ask("SELECT count(*) FROM django_content_type WHERE id = 9999") == [(0,)]


# Begins to change a table, and goes on when the change waits for the backup, or has been made.
MIGRATING = """'{psql}' '{url}' -c 'SET application_name = migrating; ALTER TABLE annotation_study ADD late int' >&2 &
until '{psql}' '{url}' -Atc "SELECT 1 FROM pg_stat_activity WHERE application_name = 'migrating' AND \
wait_event_type = 'Lock'" | grep -q 1; do :; done
"""


def test_a_backup_and_a_migration_that_wait_for_each_other_do_not_do_so_for_ever(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_on("postgresql")
    real, psql = shutil.which("pg_dump"), shutil.which("psql")
    migrating = MIGRATING.format(psql=psql, url=running_database_url())
    put_program(tmp_path / "pg_dump", f'[ "$1" = --version ] || {{ {migrating}}}\nexec \'{real}\' "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(postgresql, "LOCK_SECONDS", 1)
    try:
        assert "Is `migrate` at work?" in refusal_here("backup", tmp_path / "site.zip")
        wait_until(lambda: "late" in columns("annotation_study"), seconds=30, what="The migration")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE annotation_study DROP COLUMN IF EXISTS late")
    assert not (tmp_path / "site.zip").exists()


def test_a_table_that_is_being_changed_is_waited_for_briefly(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_on("postgresql")
    monkeypatch.setattr(postgresql, "LOCK_SECONDS", 1)
    with psycopg.connect(running_database_url().replace("postgres://", "postgresql://", 1)) as other:
        other.execute("LOCK TABLE annotation_study IN ACCESS EXCLUSIVE MODE")
        assert "Is `migrate` at work?" in refusal_here("backup", tmp_path / "site.zip")


def columns(table: str) -> list[str]:
    with connection.cursor() as cursor:
        # One statement: Django's own look at a table takes two, and the migration may end between them.
        cursor.execute(f"SELECT * FROM {table} LIMIT 0")
        return [name for name, *_ in cursor.description]


def put_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def only_on(vendor: str) -> None:
    if connection.vendor != vendor:
        pytest.skip(f"about {vendor}")
