"""Fixtures for every test: a database of its own per run, real server and worker processes, a real Chromium."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils.translation import activate

from tests.tools import chromium
from tests.tools.databases import pytest_collection_modifyitems as pytest_collection_modifyitems  # a hook
from tests.tools.modelserver import model_server as model_server  # fixtures
from tests.tools.processes import ProjectProcess, Server
from tests.tools.tinymodels import tiny_adapters as tiny_adapters
from tests.tools.tinymodels import tiny_llama as tiny_llama


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Let runs that share one PostgreSQL server use different test databases."""
    if connection.vendor == "postgresql":
        connection.settings_dict["TEST"]["NAME"] = f"test_personaeval_{os.getpid()}"


@pytest.fixture(scope="session")
def collected_static() -> None:
    """Collect the static files as a deployment does: hashed names, compressed."""
    # Its own process, because the settings choose the storage when they are read.
    folder = ProjectProcess(["manage.py", "collectstatic", "--noinput"], Path(settings.VAR_DIR) / "collectstatic.log")
    folder.start()
    assert folder.process is not None
    assert folder.process.wait(timeout=120) == 0, folder.output()


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the pages keep for a moment is read anew each time: a test changes more in that moment.

    What is said is said in English, whatever language the last request of another test was answered in.
    """
    activate(settings.LANGUAGE_CODE)
    monkeypatch.setattr("annotation.making.QUEUE_SECONDS", -1.0)
    monkeypatch.setattr("annotation.making.PACE_SECONDS", -1.0)
    for asked in ("readiness.READINESS.storage", "readiness.READINESS.database", "exposition.SITE"):
        monkeypatch.setattr(f"personaeval.operations.{asked}.seconds", 60.0)  # a machine that tests may be a busy one


@pytest.fixture(scope="session")
def started_server(
    django_db_setup: None, collected_static: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One gunicorn on the test database for all tests that use `server`: starting it takes longer than most of them."""
    server = Server(tmp_path_factory.mktemp("server") / "server.log")
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(transactional_db: None, started_server: Server) -> Server:
    """A real gunicorn on the test database, with `base_url`, `kill9()`, `restart()` and this test's `output()`."""
    started_server.make_ready()
    return started_server


@pytest.fixture
def worker(transactional_db: None, tmp_path: Path) -> Iterator[ProjectProcess]:
    """A real `manage.py run_worker` on the test database, with `kill9()`, `start()` and `output()`."""
    worker = ProjectProcess(["manage.py", "run_worker"], tmp_path / "worker.log")
    try:
        worker.start()
        yield worker
    finally:
        worker.stop()


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Launch the Chromium that was found, without anything that would reach for the network by itself."""
    path = chromium.find() or pytest.exit(chromium.HELP, returncode=1)
    return {"executable_path": path, "args": list(chromium.FLAGS), "headless": True}


@pytest.fixture
def unheeded_signals() -> Iterator[None]:
    """SIGINT and SIGTERM do nothing by themselves: the test runner has handlers that would pass for the project's."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *given: None) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
