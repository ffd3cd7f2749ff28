"""Backups: whole or not there, restored into an empty place alone, and refused where they do not fit."""

import json
import os
import secrets
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from annotation.errors import ServiceError
from annotation.models import Participant, Study
from personaeval.backups.archive import CHUNK, DumpWriter
from personaeval.backups.manifest import Manifest
from personaeval.backups.restoring import backup_check
from tests.deploy.sites import (
    Site,
    empty_site,
    here,
    manifest_of,
    original,
    refusal,
    refusal_here,
    succeeded,
    with_manifest,
)  # fmt: skip
from tests.factories import make_study
from tests.tools.processes import wait_until

BULK = 25_000_000  # bytes, so that a command is at work on them for a while


def drafts(folder: Path) -> list[Path]:
    return list(folder.glob(".personaeval.draft-*"))


def test_a_backup_is_one_file_for_its_owner_with_all_rows(backup: Path) -> None:
    assert [path for path in backup.parent.iterdir() if path.is_file()] == [backup]
    assert backup.stat().st_mode & 0o777 == 0o600
    rows = manifest_of(backup)["rows"]
    assert rows["annotation_study"] == Study.objects.count() == 1
    assert set(rows) == set(connection.introspection.table_names())


def test_a_backup_replaces_no_file_unless_told(backup: Path) -> None:
    before = backup.read_bytes()
    assert "--force" in refusal_here("backup", backup)
    assert backup.read_bytes() == before
    here("backup", backup, "--force")
    assert backup.read_bytes() != before


def test_the_newest_backups_of_a_folder_are_kept(study: Study, tmp_path: Path) -> None:
    old = [tmp_path / f"personaeval-2020010{day}T000000Z.zip" for day in (1, 2, 3)]
    other = tmp_path / "personaeval-notes.zip"
    for path in (*old, other):
        path.touch()
    here("backup", tmp_path, "--keep", 2)
    left = sorted(path for path in tmp_path.iterdir() if path != other)
    assert (len(left), left[0]) == (2, old[2])
    assert other.exists()


def test_the_backup_that_was_just_made_is_kept_though_others_are_named_after_a_later_time(
    study: Study, tmp_path: Path
) -> None:
    later = [tmp_path / f"personaeval-2999010{day}T000000Z.zip" for day in (1, 2)]
    not_ours = tmp_path / "personaeval-precious_Tarchive.zip"
    for path in (*later, not_ours):
        path.touch()
    here("backup", tmp_path, "--keep", 2)
    made = set(tmp_path.iterdir()) - {*later, not_ours}
    assert len(made) == 1
    assert not_ours.exists() and [path.exists() for path in later] == [False, True]


def test_what_is_no_file_is_not_replaced_by_a_backup(study: Study, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "is no file" in refusal_here("backup", pipe, "--force")
    assert pipe.is_fifo()


def test_of_two_backups_to_one_file_at_once_the_second_replaces_nothing(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "site.zip"
    real = DumpWriter.manifest

    def meanwhile(self: DumpWriter, manifest: Manifest) -> None:
        target.write_bytes(b"of another process")
        real(self, manifest)

    monkeypatch.setattr(DumpWriter, "manifest", meanwhile)
    assert "--force" in refusal_here("backup", target)
    assert target.read_bytes() == b"of another process"
    assert drafts(tmp_path) == []


def test_a_place_without_a_site_is_not_backed_up(place: Site, tmp_path: Path) -> None:
    assert "nothing to back up" in refusal(place.manage("backup", tmp_path / "none.zip"))
    assert not (tmp_path / "none.zip").exists()
    assert place.is_empty()


def test_a_restored_site_holds_what_was_backed_up(backup: Path, place: Site) -> None:
    done = place.manage("restore", backup)
    assert succeeded(done)
    assert "erase_participant" in done.stdout
    assert place.ask("SELECT slug FROM annotation_study") == [("study",)]
    for table, count in manifest_of(backup)["rows"].items():
        assert place.ask(f"SELECT count(*) FROM {table}") == [(count,)]
    assert drafts(place.folder) == []


def test_the_same_restore_again_finds_it_done(backup: Path, place: Site) -> None:
    assert succeeded(place.manage("restore", backup))
    assert succeeded(place.manage("restore", backup))


def test_a_database_that_was_only_migrated_counts_as_empty(backup: Path, place: Site) -> None:
    assert succeeded(place.manage("migrate", "--verbosity", 0))
    assert succeeded(place.manage("restore", backup))
    assert place.ask("SELECT slug FROM annotation_study") == [("study",)]


def test_what_is_in_use_is_not_replaced(backup: Path) -> None:
    make_study(slug="another")
    assert "annotation_arm (4 rows)" in refusal_here("restore", backup)
    assert Study.objects.count() == 2


def test_a_check_reads_everything_and_restores_nothing(backup: Path, place: Site) -> None:
    done = place.manage("restore", "--check", backup)
    assert succeeded(done)
    assert "annotation_study: 1 rows" in done.stdout
    assert place.is_empty()


def test_a_damaged_backup_is_refused_before_anything_is_touched(backup: Path, place: Site) -> None:
    content = bytearray(backup.read_bytes())
    content[len(content) // 4] ^= 1
    backup.write_bytes(content)
    assert "is damaged" in refusal_here("restore", "--check", backup)
    assert "is damaged" in refusal(place.manage("restore", backup))
    assert place.is_empty()


def test_a_dump_that_is_not_the_one_of_the_manifest_is_refused(backup: Path, tmp_path: Path) -> None:
    wrong = with_manifest(backup, tmp_path / "wrong.zip", dump_sha256="0" * 64)
    assert "its digest is another one" in refusal_here("restore", wrong)


@pytest.mark.parametrize("left", [0, 1000])
def test_a_cut_off_backup_is_refused(backup: Path, left: int) -> None:
    backup.write_bytes(backup.read_bytes()[:left])
    assert "no whole backup" in refusal_here("restore", backup)


def test_a_manifest_that_says_something_else_is_refused_with_its_place(backup: Path, tmp_path: Path) -> None:
    wrong = with_manifest(backup, tmp_path / "wrong.zip", rows={"annotation_study": "many"})
    assert "manifest.json.rows.annotation_study cannot be read" in refusal_here("restore", wrong)


@pytest.mark.parametrize(("byte", "bits"), [(6, 255), (8, 1)], ids=["version", "password"])
def test_a_backup_whose_list_of_entries_is_damaged_is_refused(backup: Path, byte: int, bits: int) -> None:
    content = bytearray(backup.read_bytes())
    content[content.index(b"PK\x01\x02") + byte] ^= bits
    backup.write_bytes(content)
    assert str(backup) in refusal_here("restore", "--check", backup)


def test_a_dump_without_end_is_read_no_further_than_the_manifest_says(backup: Path, tmp_path: Path) -> None:
    read: list[int] = []
    endless = tmp_path / "endless.zip"
    with zipfile.ZipFile(endless, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("database.dump", bytes(200 * CHUNK))
        archive.writestr("manifest.json", json.dumps({**manifest_of(backup), "dump_bytes": CHUNK}))
    with pytest.raises(ServiceError, match="its digest is another one"):
        backup_check(source=endless, progress=read.append)
    assert sum(read) <= 3 * CHUNK


def test_a_backup_of_the_other_kind_of_database_is_refused(backup: Path, tmp_path: Path) -> None:
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}[connection.vendor]
    wrong = with_manifest(backup, tmp_path / "other.zip", engine=other)
    assert f"is of {other}, and DATABASE_URL names {connection.vendor}" in refusal_here("restore", wrong)


def test_a_backup_of_newer_code_is_refused(backup: Path, tmp_path: Path) -> None:
    migrations = [*manifest_of(backup)["migrations"], "annotation.9999_later"]
    newer = with_manifest(backup, tmp_path / "newer.zip", migrations=migrations)
    assert "annotation.9999_later is not known here" in refusal_here("restore", newer)


def test_a_backup_in_another_format_is_refused(backup: Path, tmp_path: Path) -> None:
    assert "has format 2" in refusal_here("restore", with_manifest(backup, tmp_path / "2.zip", format=2))


def test_rows_that_are_missing_after_a_restore_are_told(backup: Path, place: Site, tmp_path: Path) -> None:
    rows = {**manifest_of(backup)["rows"], "annotation_study": 2}
    wrong = with_manifest(backup, tmp_path / "rows.zip", rows=rows)
    assert "annotation_study: 1 rows instead of 2" in refusal(place.manage("restore", wrong))


def test_a_backup_of_older_code_says_that_a_migration_is_due(place: Site, tmp_path: Path) -> None:
    older = tmp_path / "older.zip"
    assert succeeded(place.manage("migrate", "annotation", "0007", "--verbosity", 0))
    assert succeeded(place.manage("backup", older))
    with empty_site(tmp_path / "newer", name="newer") as newer:
        done = newer.manage("restore", older)
        assert succeeded(done)
        assert "manage.py migrate" in done.stdout
        assert succeeded(newer.manage("migrate", "--verbosity", 0))


def test_the_log_names_whoever_was_erased_for_those_who_restore_an_older_backup(
    study: Study, caplog: pytest.LogCaptureFixture
) -> None:
    Participant.objects.create(study=study, number=17)
    with caplog.at_level("INFO"):
        here("erase_participant", study.slug, "P-017", "--user", "researcher")
    assert f"erased participant P-017 of {study}" in caplog.messages


# --- killed in the middle ---


@pytest.fixture
def bulky(study: Study) -> None:
    """So much in the database that no command is done with it at once."""
    Study.objects.update(debrief=secrets.token_hex(BULK))


def test_a_killed_backup_leaves_no_file_and_the_next_one_clears_up(bulky: None, tmp_path: Path) -> None:
    target, site = tmp_path / "site.zip", original()
    kill_when(lambda: drafts(tmp_path), site.begin("backup", target))
    assert drafts(tmp_path)
    assert not target.exists()
    assert succeeded(site.manage("backup", target))
    assert drafts(tmp_path) == []


def test_a_killed_restore_leaves_the_place_empty_and_is_given_again(bulky: None, backup: Path, place: Site) -> None:
    kill_when(lambda: is_restoring(place), place.begin("restore", backup))
    wait_until(lambda: not is_connected(place), seconds=60, what="The end of pg_restore")
    assert place.is_empty()
    assert succeeded(place.manage("restore", backup))
    assert place.ask("SELECT length(debrief) FROM annotation_study") == [(2 * BULK,)]
    assert drafts(place.folder) == []


def kill_when(there: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    """End a process as a power cut would, as soon as it is in the middle of its work."""
    while not there():
        assert process.poll() is None, "It ended too soon for this test to show anything."
    process.kill()
    process.wait()


def is_restoring(place: Site) -> bool:
    return bool(drafts(place.folder)) if connection.vendor == "sqlite" else is_connected(place, "COPY%")


def is_connected(place: Site, query: str = "%") -> bool:
    """Whether a process sends such a query to the place's database; SQLite has no connections to ask for."""
    if connection.vendor == "sqlite":
        return False
    asked = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND state <> 'idle' AND query LIKE %s"
    with connection.cursor() as cursor:
        cursor.execute(asked, [place.environment["DATABASE_URL"].rpartition("/")[2], query])
        return cursor.fetchone() is not None
