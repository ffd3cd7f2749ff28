"""/health and /ready: what they look at, what they say, and what they never say."""

import json
import socket
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from annotation.models import Output, OutputWorker, Study
from annotation.services.workers import worker_start
from personaeval.operations import readiness, views
from personaeval.operations.readiness import Readiness
from personaeval.operations.within import Within
from tests.factories import make_study
from tests.modelhub.live import make_live_study, write_persona
from tests.tools.processes import free_port, wait_until

stored = pytest.mark.django_db(transaction=True)  # a check looks with a connection of its own


@pytest.fixture(autouse=True)
def looks_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its own, as it were, which looks each time it is asked."""
    monkeypatch.setattr(readiness, "KEPT_SECONDS", -1.0)
    monkeypatch.setattr(readiness, "ANSWER_SECONDS", 60.0)
    monkeypatch.setattr(views, "READINESS", Readiness())


def ready(status: int, client: Client | None = None) -> dict[str, Any]:
    response = (client or Client()).get("/ready")
    assert response.status_code == status, response.content
    found: dict[str, Any] = response.json()
    return found


def old_request(study: Study) -> None:
    """Somebody who has waited for two minutes."""
    write_persona(study)
    Output.objects.update(requested_at=timezone.now() - timedelta(minutes=2))


# --- /health ---


def test_health_is_told_to_any_host_without_https_login_cookie_or_database(settings: Any) -> None:
    # Without a database mark, any query would fail this test.
    settings.SECURE_SSL_REDIRECT = True
    client = Client(headers={"host": "10.0.0.7:8000"})
    assert client.get("/accounts/login/").status_code in (301, 400)
    response = client.get("/health")
    assert (response.status_code, response.content) == (200, b"alive\n")
    assert not response.cookies and "sessionid" not in response.get("Vary", "")


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
@stored
def test_machines_answers_are_kept_by_nobody_and_carry_the_security_headers(path: str) -> None:
    response = Client(headers={"host": "localhost"}).get(path)
    assert response["Cache-Control"] == "no-store"
    assert "default-src 'self'" in response["Content-Security-Policy"]
    assert response["X-Content-Type-Options"] == "nosniff"
    assert int(response["Content-Length"]) == len(response.content)


# --- /ready ---


@stored
def test_a_site_with_nothing_wrong_is_ready() -> None:
    found = ready(200, Client(headers={"host": "10.0.0.7"}))
    assert found["status"] == "ready"
    assert all(check == {"ok": True} for check in found["checks"].values())
    assert {"database", "migrations", "queue", "worker"} <= set(found["checks"])


@stored
def test_a_process_without_its_migrations_is_not_ready_until_they_are_applied() -> None:
    recorder = MigrationRecorder(connection)
    last = recorder.migration_qs.filter(app="modelhub").order_by("-name").first()
    assert last
    recorder.record_unapplied("modelhub", last.name)
    try:
        found = ready(503)
        assert found["status"] == "not ready"
        assert "manage.py migrate" in found["checks"]["migrations"]["problem"]
        assert found["checks"]["queue"]["ok"] is None
    finally:
        recorder.record_applied("modelhub", last.name)
    assert ready(200)["status"] == "ready"


def away(monkeypatch: pytest.MonkeyPatch, port: int, folder: Path) -> None:
    """Let new connections look for the database where it is not."""
    where = {"HOST": "127.0.0.1", "PORT": port} if connection.vendor == "postgresql" else {"NAME": folder / "no" / "db"}
    for name, value in where.items():
        monkeypatch.setitem(connections.settings["default"], name, value)


@stored
def test_a_process_without_its_database_is_not_ready_and_tells_strangers_no_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        away(patch, free_port(), tmp_path)
        found, again = ready(503), ready(503)
    assert found["checks"]["database"]["problem"] == "it cannot be asked"
    assert again["checks"]["database"]["since"] == found["checks"]["database"]["since"]
    assert "127.0.0.1" not in json.dumps(found) and str(tmp_path) not in json.dumps(found)
    assert ready(200)["status"] == "ready"
    told = [record.getMessage() for record in caplog.records if record.name == readiness.__name__]
    assert len([line for line in told if line.startswith("database: it cannot be asked OperationalError")]) == 1
    assert told[-1].endswith("well again")


@stored
def test_a_database_that_takes_the_call_and_says_nothing_is_waited_for_briefly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite is a file")
    monkeypatch.setattr(readiness, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(views, "READINESS", Readiness())
    with socket.create_server(("127.0.0.1", 0)) as silent, monkeypatch.context() as patch:
        away(patch, silent.getsockname()[1], tmp_path)
        assert ready(503)["checks"]["database"]["problem"] == "no answer within 0.3 s"


@stored
def test_who_waits_too_long_or_a_missing_worker_takes_no_web_process_out_of_service(tmp_path: Path) -> None:
    study = make_live_study(tmp_path, slug="secret-slug")
    old_request(study)
    found = ready(200)
    assert found["status"] == "degraded"
    assert "waited for more than 60 s" in found["checks"]["queue"]["problem"]
    assert found["checks"]["queue"]["since"] < timezone.now().isoformat()
    assert not found["checks"]["worker"]["ok"]
    secrets = [study.slug, study.title, *study.arms.values_list("code", flat=True)]
    assert not [one for one in secrets if one in json.dumps(found)]


@stored
def test_a_worker_of_another_study_makes_nobody_happy_and_one_of_all_does(tmp_path: Path) -> None:
    write_persona(make_live_study(tmp_path))
    worker_start(key="elsewhere", study=make_study(slug="other"), host="here")
    assert not ready(200)["checks"]["worker"]["ok"]
    worker_start(key="everywhere", study=None, host="here")
    assert ready(200)["checks"]["worker"]["ok"]
    OutputWorker.objects.filter(key="everywhere").update(heard_at=timezone.now() - timedelta(minutes=1))
    assert not ready(200)["checks"]["worker"]["ok"]


def test_what_hangs_is_asked_once_by_however_many_and_answers_those_who_come_later() -> None:
    go_on, asked = threading.Event(), []

    def work() -> str:
        asked.append(1)
        go_on.wait(30)
        return "done"

    hanging = Within(work, seconds=0.05, kept_seconds=60)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            hanging.result()
    go_on.set()

    def is_answered() -> bool:
        try:
            return hanging.result() == "done"
        except TimeoutError:  # overdue, until the thread has gone on
            return False

    wait_until(is_answered, seconds=30, what="The answer")
    assert len(asked) == 1


def test_what_is_overdue_is_told_at_once_to_those_who_ask_again() -> None:
    go_on = threading.Event()
    hanging = Within(lambda: go_on.wait(30), seconds=0.05, kept_seconds=60)
    with pytest.raises(TimeoutError):
        hanging.result()
    hanging.seconds = 30.0
    done = threading.Timer(10, go_on.set)  # whoever still waits is answered then
    done.start()
    try:
        with pytest.raises(TimeoutError):
            hanging.result()
    finally:
        done.cancel()
        go_on.set()
