"""Configuration: from the environment, with defaults that work, failing loudly where it is wrong."""

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from annotation import checks
from personaeval import settings as configuration
from personaeval.logs import HideTokens

TOKEN = "tokentokentokentokentokentoken-_"
GOOD_SECRET = "k3Jx9-vQ7pLm2RtYwZ8bNc5HdFgS4aUe6iOoT1XqVrBjKyMnPl0"
SQLITE: dict[str, Any] = {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {"transaction_mode": "IMMEDIATE"}}


def manage(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run manage.py with nothing in its environment but PATH and what is given."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# --- environment helpers ---


def test_a_secret_is_read_from_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv("SOME_SECRET_FILE", str(tmp_path / "secret"))
    assert configuration.env_str("SOME_SECRET", "default") == "s3cret"


def test_a_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOME_SECRET", "a")
    monkeypatch.setenv("SOME_SECRET_FILE", str(tmp_path / "secret"))
    with pytest.raises(ImproperlyConfigured, match="Both SOME_SECRET and SOME_SECRET_FILE"):
        configuration.env_str("SOME_SECRET", "")


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00"], ids=["missing", "empty", "binary"])
def test_an_unusable_secret_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("SOME_SECRET_FILE", str(path))
    with pytest.raises(ImproperlyConfigured, match="SOME_SECRET_FILE=.*secret"):
        configuration.env_str("SOME_SECRET", "")


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_NAME", "")
    monkeypatch.setenv("SOME_NAME_FILE", "")
    assert configuration.env_str("SOME_NAME", "default") == "default"
    assert configuration.env_bool("SOME_NAME", True) is True
    assert configuration.env_list("SOME_NAME", "a, b,") == ["a", "b"]


@pytest.mark.parametrize(("value", "meaning"), [("1", True), ("Yes", True), ("off", False), ("0", False)])
def test_yes_and_no_are_understood(monkeypatch: pytest.MonkeyPatch, value: str, meaning: bool) -> None:
    monkeypatch.setenv("SOME_SWITCH", value)
    assert configuration.env_bool("SOME_SWITCH", not meaning) is meaning


def test_a_switch_that_is_neither_yes_nor_no_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SWITCH", "maybe")
    with pytest.raises(ImproperlyConfigured, match="SOME_SWITCH='maybe'"):
        configuration.env_bool("SOME_SWITCH", False)


def test_a_local_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    first = configuration.local_secret(tmp_path / "key")
    assert configuration.local_secret(tmp_path / "key") == first
    assert len(first) >= checks.SECRET_MIN_LENGTH
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


# --- the database ---


@pytest.mark.parametrize("url", ["nonsense", "mongo://localhost/x", "postgres://localhost:port/x"])
def test_an_unreadable_database_url_is_refused_with_its_name(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL cannot be read"):
        configuration.database(url)


def test_a_database_password_never_stands_in_the_error() -> None:
    with pytest.raises(ImproperlyConfigured) as error:
        configuration.database("postgress://user:hunter2hunter2@localhost/x")
    assert "hunter2hunter2" not in str(error.value)


def test_sqlite_gets_the_options_that_keep_answers_safe() -> None:
    options = configuration.database("sqlite:////tmp/x.sqlite3")["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in options["init_command"]


def test_postgresql_connections_are_kept_and_checked() -> None:
    config = configuration.database("postgres://u:p@db/study")
    assert (config["CONN_MAX_AGE"], config["CONN_HEALTH_CHECKS"]) == (configuration.KEPT_SECONDS, True)


# --- the whole configuration, in a process of its own ---


def test_everything_works_with_no_configuration_but_a_folder_with_an_odd_name(tmp_path: Path) -> None:
    folder = tmp_path / "a b%20c#d"
    result = manage("migrate", "--verbosity", "0", VAR_DIR=str(folder))
    assert result.returncode == 0, result.stderr
    assert manage("check", "--database", "default", VAR_DIR=str(folder)).returncode == 0
    assert {"db.sqlite3", "secret_key"} <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SECRET_KEY": "changeme"}, "annotation.E002"),
        ({"ALLOWED_HOSTS": "*"}, "annotation.E003"),
        ({"DEBUG": "1", "ALLOWED_HOSTS": "study.example.org"}, "annotation.E004"),
        ({"DEBUG": "perhaps"}, "DEBUG='perhaps'"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL cannot be read"),
        ({"SECRET_KEY_FILE": "/nonexistent/key"}, "SECRET_KEY_FILE=/nonexistent/key"),
    ],
)
def test_dangerous_or_wrong_configuration_stops_a_command(
    tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    result = manage("check", VAR_DIR=str(tmp_path), **environment)
    assert result.returncode == 1
    assert message in result.stderr


def test_the_web_server_refuses_to_start_on_dangerous_configuration(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--bind", "127.0.0.1:0"]
    result = subprocess.run(
        [*command, "personaeval.wsgi"],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "ALLOWED_HOSTS": "*"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode != 0
    assert "annotation.E003" in result.stderr


# --- system checks ---


@pytest.mark.parametrize("mode", ["DEFERRED", None])
def test_sqlite_without_immediate_transactions_is_an_error(monkeypatch: pytest.MonkeyPatch, mode: str | None) -> None:
    monkeypatch.setattr(settings, "DATABASES", {"default": {**SQLITE, "OPTIONS": {"transaction_mode": mode}}})
    (error,) = checks.sqlite_takes_write_lock_first(app_configs=None)
    assert error.id == "annotation.E001"
    assert error.hint


@pytest.mark.parametrize("database", [SQLITE, {"ENGINE": "django.db.backends.postgresql"}])
def test_safe_databases_pass(monkeypatch: pytest.MonkeyPatch, database: dict[str, Any]) -> None:
    monkeypatch.setattr(settings, "DATABASES", {"default": database})
    assert checks.sqlite_takes_write_lock_first(app_configs=None) == []


@pytest.mark.parametrize("key", ["short", "x" * 60, "django-insecure-" + GOOD_SECRET, "change-me-" + GOOD_SECRET])
def test_a_secret_that_can_be_guessed_is_an_error(key: str) -> None:
    with override_settings(SECRET_KEY=key, DEBUG=False):
        (error,) = checks.secret_key_is_secret(app_configs=None)
    assert error.id == "annotation.E002"


def test_a_random_secret_passes_and_debug_allows_any() -> None:
    with override_settings(SECRET_KEY=GOOD_SECRET, DEBUG=False):
        assert checks.secret_key_is_secret(app_configs=None) == []
    with override_settings(SECRET_KEY="short", DEBUG=True):
        assert checks.secret_key_is_secret(app_configs=None) == []


@pytest.mark.parametrize("hosts", [["*"], ["study.example.org", "*"], []])
def test_hosts_must_be_named(hosts: list[str]) -> None:
    with override_settings(ALLOWED_HOSTS=hosts, DEBUG=False):
        (error,) = checks.hosts_are_named(app_configs=None)
    assert error.id == "annotation.E003"


def test_named_hosts_pass() -> None:
    with override_settings(ALLOWED_HOSTS=["study.example.org"], DEBUG=False):
        assert checks.hosts_are_named(app_configs=None) == []


def test_debug_among_strangers_is_an_error() -> None:
    with override_settings(DEBUG=True, ALLOWED_HOSTS=["localhost", "study.example.org"]):
        (error,) = checks.debug_is_local(app_configs=None)
    assert error.id == "annotation.E004"
    assert "study.example.org" in error.msg


def test_debug_at_home_passes() -> None:
    with override_settings(DEBUG=True, ALLOWED_HOSTS=["localhost", "127.0.0.1", "[::1]"]):
        assert checks.debug_is_local(app_configs=None) == []


# --- logs ---


def logged(message: str, *args: object, error: Exception | None = None) -> str:
    exc_info = (type(error), error, None) if error else None
    record = logging.LogRecord("django.request", logging.ERROR, __file__, 1, message, args, exc_info)
    assert HideTokens().filter(record)
    return logging.Formatter().format(record)


@pytest.mark.parametrize("path", [f"/p/{TOKEN}/", f"/join/{TOKEN}/", f"http://localhost/p/{TOKEN}/rate/?x=1"])
def test_no_link_token_reaches_a_log(path: str) -> None:
    assert TOKEN not in logged("Not Found: %s", path)
    assert "***" in logged("Not Found: %s", path)


def test_no_link_token_reaches_a_log_inside_a_traceback() -> None:
    assert TOKEN not in logged("Internal error", error=ValueError(f"bad path /p/{TOKEN}/"))


def test_a_message_without_a_token_is_logged_as_it_is() -> None:
    assert logged("%d studies at /research/", 3) == "3 studies at /research/"


def test_the_configured_handlers_hide_tokens() -> None:
    handlers = settings.LOGGING["handlers"]
    assert handlers
    assert all("hide_tokens" in handler["filters"] for handler in handlers.values())
