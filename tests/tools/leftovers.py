"""Nothing of a test run outlives it, however it ends: no process, no folder.

A broom waits at one end of a pipe whose other end only the run holds. Once the run is gone, be it by `kill -9`, the
broom ends every process that carries the run's mark in its environment, and deletes the run's folder. Processes are
found by their mark where there is /proc, which is on Linux.
"""

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

MARK = "PERSONAEVAL_TEST_RUN"
POLITE_SECONDS, HARD_SECONDS = 5.0, 10.0


def make_folder(prefix: str) -> Path:
    """Return a new folder that is deleted when this process ends, with all processes that were started meanwhile."""
    # Within another run it stands beside that run's folder: paths of sockets must not grow with every level.
    beside = Path(os.environ[MARK]).parent if MARK in os.environ else None
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=beside))
    os.environ[MARK] = str(folder)  # children inherit it, and theirs do
    broom = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},  # not marked itself
        cwd="/",
        start_new_session=True,  # no Ctrl-C reaches it
    )
    atexit.register(_sweep_now, broom, str(folder))
    return folder


def interrupt_on_sigterm() -> None:
    """Let SIGTERM end this process as Ctrl-C does, so that fixtures stop what they started; a second one is obeyed."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(signum: int, frame: object) -> NoReturn:
    signal.signal(signum, signal.SIG_DFL)
    raise KeyboardInterrupt


def _sweep_now(broom: "subprocess.Popen[bytes]", folder: str) -> None:
    """Have it done before this process ends, or do it where the broom has been killed."""
    assert broom.stdin
    # Said rather than left to the closing of the pipe, since a forked child may hold it open.
    with contextlib.suppress(BrokenPipeError):
        os.write(broom.stdin.fileno(), b"end")
    if broom.wait() != 0:
        _sweep(folder)


def marked(mark: str) -> list[int]:
    """Return the ids of the processes that carry this mark, or one that begins with it."""
    entry, found = f"{MARK}={mark}".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            environment = path.read_bytes()
        except OSError:  # ended meanwhile, or somebody else's
            continue
        if any(variable.startswith(entry) for variable in environment.split(b"\0")):
            found.append(int(path.parent.name))
    return found


def end_marked(mark: str) -> None:
    """End all processes with this mark, politely at first."""
    for number, seconds in ((signal.SIGTERM, POLITE_SECONDS), (signal.SIGKILL, HARD_SECONDS)):
        signalled: set[int] = set()
        deadline = time.monotonic() + seconds
        while (alive := marked(mark)) and time.monotonic() < deadline:
            for process in set(alive) - signalled:
                signalled.add(process)
                _signal(process, number)
            time.sleep(0.02)


def _signal(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _sweep(folder: str) -> None:
    end_marked(folder)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    os.read(0, 1)  # comes back when the run says so or is gone
    _sweep(sys.argv[1])
