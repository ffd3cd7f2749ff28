"""Servers under load: started as they are deployed, in process groups of their own, with their processor time."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS, STOP_SECONDS = 90.0, 15.0
_TICKS = os.sysconf("SC_CLK_TCK")


class ServerTrouble(Exception):
    """A system that cannot be measured; says why."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stats() -> dict[int, tuple[int, float]]:
    """Return parent and processor seconds of every process, with those of its children that have ended."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        found[int(path.parent.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / _TICKS)
    return found


def processor_seconds(roots: Iterable[int]) -> float:
    """Return the seconds that the trees of processes below `roots` have used, user and system."""
    stats, total, todo = _stats(), 0.0, list(roots)
    while todo:
        process = todo.pop()
        if process in stats:
            total += stats[process][1]
            todo += [child for child, (parent, _) in stats.items() if parent == process]
    return total


def parent_of(process: int) -> int:
    """Return the process that has started this one."""
    return _stats()[process][0]


class WebServer:
    """A command that listens on a port; its output goes to a log beside its data."""

    def __init__(
        self, command: Sequence[str], *, port: int, folder: Path, environment: Mapping[str, str], cwd: Path = ROOT
    ) -> None:
        self.command, self.port, self.cwd = command, port, cwd
        self.environment = {**os.environ, **environment}
        self.log = folder / "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "WebServer":
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        with contextlib.ExitStack() as unless_up:
            unless_up.push(self.__exit__)
            self._wait_until_it_answers()
            unless_up.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=STOP_SECONDS)

    @property
    def pid(self) -> int:
        """The first process of the server."""
        assert self.process
        return self.process.pid

    def _wait_until_it_answers(self) -> None:
        assert self.process
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if self.process.poll() is not None:
                raise ServerTrouble(f"The server ended at once:\n{self.said()}")
            if time.monotonic() > deadline:
                raise ServerTrouble(f"The server does not listen after {START_SECONDS:g} s:\n{self.said()}")
            time.sleep(0.1)

    def said(self) -> str:
        """Return the end of what the server has written."""
        return self.log.read_text(errors="replace")[-2000:]

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def ask(module: str, command: str, question: Any, environment: Mapping[str, str]) -> Any:
    """Have `python -m MODULE COMMAND` answer in JSON."""
    done = subprocess.run(
        [sys.executable, "-m", module, command],
        cwd=ROOT,
        env={**os.environ, **environment},
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ServerTrouble(f"{module} {command} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def run_quietly(command: Sequence[str], *, folder: Path, environment: Mapping[str, str], seconds: float) -> str:
    """Run a command to its end and return what it wrote; ServerTrouble where it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerTrouble(f"{Path(command[0]).name}: {error}") from error
    if done.returncode:
        raise ServerTrouble(f"{' '.join(command[:4])} …: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
