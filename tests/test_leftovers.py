"""A test run leaves no process and no folder behind, however it is ended."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.leftovers import MARK, end_marked, marked
from tests.tools.processes import wait_until

PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/tools/waiting.py"]
POSTGRES = [sys.executable, "-m", "tests.tools.postgres"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the run keeps what is temporary. Its path is short, since those of sockets have to be."""
    with tempfile.TemporaryDirectory(prefix="run-", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)
        end_marked(name)


def run_until_it_waits(command: list[str], folder: Path, waiting: Path) -> "subprocess.Popen[bytes]":
    ours = {name: value for name, value in os.environ.items() if name != MARK and not name.startswith("PYTEST")}
    run = subprocess.Popen(
        command,
        env={**ours, "TMPDIR": str(folder), "WAITING": str(waiting)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # What a shell starts in the background inherits that SIGINT is ignored; this run is to heed it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_until(lambda: waiting.exists() or run.poll() is not None, seconds=120, what="The start of the run")
    assert run.poll() is None, f"The run ended with {run.returncode}."
    return run


@pytest.mark.parametrize(
    ("command", "number"),
    [
        (PYTEST, signal.SIGTERM),
        pytest.param(PYTEST, signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(PYTEST, signal.SIGKILL, marks=pytest.mark.slow),
        pytest.param([*PYTEST, "-n", "1"], signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param([*PYTEST, "-n", "1"], signal.SIGKILL, marks=pytest.mark.slow),
        pytest.param([*POSTGRES, *PYTEST], signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param([*POSTGRES, *PYTEST, "-n", "1"], signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param([*POSTGRES, *PYTEST], signal.SIGKILL, marks=pytest.mark.slow),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else " ".join(value[2:]).replace("/", "."),
)
def test_a_run_that_is_ended_leaves_nothing_behind(
    command: list[str], number: signal.Signals, folder: Path, tmp_path: Path
) -> None:
    run = run_until_it_waits(command, folder, tmp_path / "waiting")
    assert len(marked(str(folder))) >= 3, "Server, worker and browser carry no mark."

    run.send_signal(number)
    run.wait(timeout=90)

    wait_until(lambda: not marked(str(folder)), seconds=30, what="The end of all processes")
    wait_until(lambda: not list(folder.iterdir()), seconds=30, what="The end of all folders")


def test_a_run_whose_broom_was_killed_sweeps_by_itself(folder: Path) -> None:
    code = (
        "import os, signal, subprocess\n"
        "from pathlib import Path\n"
        "from tests.tools.leftovers import make_folder\n"
        "make_folder('run-')\n"
        "subprocess.Popen(['sleep', '300'])\n"
        "(broom,) = [int(found.parent.name) for found in Path('/proc').glob('[0-9]*/cmdline')\n"
        "    if str(os.environ['PERSONAEVAL_TEST_RUN']).encode() in found.read_bytes()]\n"
        "os.kill(broom, signal.SIGKILL)\n"
    )
    ours = {name: value for name, value in os.environ.items() if name != MARK}
    subprocess.run([sys.executable, "-c", code], env={**ours, "TMPDIR": str(folder)}, check=True)
    assert (marked(str(folder)), list(folder.iterdir())) == ([], [])
