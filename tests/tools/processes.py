"""Real processes under test: the web server and the worker, started as a deployment starts them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import connection


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Poll `condition` until it holds; AssertionError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s."
        time.sleep(0.02)


def running_database_url() -> str:
    """Return the DATABASE_URL by which another process reaches the database of the running test."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"


def project_environment() -> dict[str, str]:
    """Return the environment of a process that works on the running test's database and folder."""
    ours = {"DATABASE_URL": running_database_url(), "VAR_DIR": str(settings.VAR_DIR), "PYTHONUNBUFFERED": "1"}
    return {**{k: v for k, v in os.environ.items() if k != "DJANGO_ALLOW_ASYNC_UNSAFE"}, **ours}


class ProjectProcess:
    """A command of the project in a process group of its own, its output in a log file."""

    def __init__(self, command: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.command = [sys.executable, *command]
        self.environment = environment  # instead of that of the running test
        self.log = log
        self.logged_before = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the command."""
        with self.log.open("ab") as output:
            self.process = self._popen(output)

    def _popen(self, output: IO[bytes]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self.command,
            cwd=settings.BASE_DIR,
            env=project_environment() if self.environment is None else {**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def signal(self, number: int) -> None:
        """Send a signal to every process of the group and wait for the first one to end."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, number)
            self.process.wait(timeout=30)
        except ProcessLookupError:
            self.process.wait()

    def kill9(self) -> None:
        """End it as a power cut would: no handler runs, nothing is flushed."""
        self.signal(signal.SIGKILL)

    def stop(self) -> None:
        """End it politely, and hard where that takes too long."""
        try:
            self.signal(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self.kill9()

    def output(self) -> str:
        """Return what it has written so far."""
        return self.log.read_bytes()[self.logged_before :].decode(errors="replace")


class Server(ProjectProcess):
    """gunicorn with the configuration in deploy/, on a port of its own that a restart keeps."""

    def __init__(self, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        bind = ["--bind", f"127.0.0.1:{self.port}", "--workers", "2"]
        super().__init__(
            ["-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", *bind, "personaeval.wsgi"], log, environment
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        super().start()
        wait_until(self._answers, seconds=60, what=f"An answer of the web server on port {self.port}")

    def make_ready(self) -> None:
        """Serve the next test: start if a test before has left it dead, or none has used it, and forget its output."""
        if self.process is None or self.process.poll() is not None:
            self.start()
        self.logged_before = self.log.stat().st_size

    def restart(self) -> None:
        """Start it again on the same port after `kill9` or `stop`."""
        self.start()

    def signal(self, number: int) -> None:
        """Send a signal and wait until no process of the group listens any more: workers outlive their master."""
        super().signal(number)
        wait_until(lambda: not self._listens(), seconds=30, what=f"The end of the web server on port {self.port}")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"The web server ended at once:\n{self.output()}"
        return self._listens()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
