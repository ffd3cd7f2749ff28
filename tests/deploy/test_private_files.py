"""What the site and its commands write is for the account alone that runs them, whatever its umask is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from annotation.checks import sqlite_is_private
from personaeval.private import tighten
from personaeval.settings import local_secret
from tests.deploy.sites import original
from tests.factories import make_study

WIDE = 0o022  # the umask of most accounts: everybody may read
# How a server that is no command of ours reaches the database: gunicorn, a notebook.
BY_ITSELF = (
    "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'personaeval.settings'; django.setup();"
    "from django.db import connection; c = connection.cursor(); c.execute('CREATE TABLE IF NOT EXISTS t (x)');"
    "print(*os.listdir(os.environ['VAR_DIR']));"
    "assert not any(os.stat(f.path).st_mode & 0o77 for f in os.scandir(os.environ['VAR_DIR']))"
)


def run(*arguments: object, **environment: str) -> str:
    """Run Python under a wide umask and return what it says."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        umask=WIDE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def readable_by_others(folder: Path) -> list[str]:
    return [str(path) for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]


def test_a_new_site_can_be_read_by_its_account_alone(tmp_path: Path) -> None:
    run("manage.py", "migrate", "--verbosity", 0, VAR_DIR=str(tmp_path / "var"))
    assert {"db.sqlite3", "secret_key"} <= {path.name for path in (tmp_path / "var").iterdir()}
    assert readable_by_others(tmp_path / "var") == []


def test_so_can_the_database_that_a_server_makes_with_the_files_beside_it(tmp_path: Path) -> None:
    said = run("-c", BY_ITSELF, VAR_DIR=str(tmp_path / "var"))
    assert {"db.sqlite3", "db.sqlite3-wal", "db.sqlite3-shm"} <= set(said.split())


@pytest.mark.parametrize("command", [("-c", BY_ITSELF), ("manage.py", "migrate", "--verbosity", "0")])
def test_a_database_that_others_could_read_is_closed_to_them_at_the_next_start(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    place = tmp_path / "var"
    run("-c", BY_ITSELF, VAR_DIR=str(place))
    for path in place.iterdir():
        path.chmod(0o644)
    run(*command, VAR_DIR=str(place))
    assert readable_by_others(place) == []


def test_closing_a_file_to_others_is_a_line_in_the_log_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "db.sqlite3"
    path.touch()
    path.chmod(0o644)
    for _ in range(2):
        tighten(path)
    assert [record.message for record in caplog.records] == [
        f"{path} had the rights 644: others could reach it. They cannot now."
    ]


def test_a_database_that_others_may_read_and_that_is_not_ours_to_close_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "db.sqlite3"
    path.touch()
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "personaeval.sqlite")
    monkeypatch.setitem(settings.DATABASES["default"], "NAME", str(path))
    path.chmod(0o644)
    assert sqlite_is_private(app_configs=None) == []  # ours: closed when it is opened
    monkeypatch.setattr("annotation.checks.os.geteuid", lambda: path.stat().st_uid + 1)
    (warning,) = sqlite_is_private(app_configs=None)
    assert warning.id == "annotation.W001" and f"chmod 600 {path}" in str(warning.hint)
    path.chmod(0o600)
    assert sqlite_is_private(app_configs=None) == []


@pytest.mark.django_db(transaction=True)
def test_exports_over_files_that_others_could_read_are_for_their_account(tmp_path: Path) -> None:
    study = make_study(state="draft")
    site = original().environment
    (tmp_path / "ratings.csv").touch()
    (tmp_path / "ratings.csv").chmod(0o666)
    run("manage.py", "export_ratings", study.slug, "--out", tmp_path, **site)
    assert [path for path in readable_by_others(tmp_path) if path.endswith((".csv", ".md", ".json"))] == []


def test_a_secret_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    path.write_text("s3cret")
    path.chmod(0o640)
    assert local_secret(path) == "s3cret"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_of_another_account_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.touch(mode=0o644)
    path.chmod(0o644)
    monkeypatch.setattr("personaeval.private.os.geteuid", lambda: path.stat().st_uid + 1)
    tighten(path)
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_folder_that_was_there_keeps_its_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    run("manage.py", "migrate", "--verbosity", 0, VAR_DIR=str(tmp_path))
    assert tmp_path.stat().st_mode & 0o777 == 0o750


@pytest.mark.django_db(transaction=True)
def test_what_a_command_writes_is_for_its_account(tmp_path: Path) -> None:
    study = make_study(state="draft")
    site = original().environment
    run("manage.py", "export_ratings", study.slug, "--out", tmp_path / "export", **site)
    run("manage.py", "backup", tmp_path / "site.zip", **site)
    assert readable_by_others(tmp_path) == []
