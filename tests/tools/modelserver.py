"""A real server of the OpenAI protocol: `transformers serve` on 127.0.0.1 with a model from a folder."""

import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools.processes import free_port, wait_until

START = "from transformers.cli.transformers import main; main()"


@dataclass(frozen=True)
class ModelServer:
    """A running server: its address, and the name of its model, which is the model's folder."""

    url: str
    model: str


@pytest.fixture(scope="session")
def model_server(tiny_llama: Path) -> Iterator[ModelServer]:
    """A server with `tiny_llama`, for the whole test run."""
    with serving(tiny_llama) as server:
        yield server


@contextmanager
def serving(folder: Path) -> Iterator[ModelServer]:
    """Serve the model in `folder` until the end; AssertionError with the server's output if it does not start."""
    port = free_port()
    command = ["serve", str(folder), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with tempfile.TemporaryDirectory(prefix="personaeval-serve-", ignore_cleanup_errors=True) as work:
        log = Path(work) / "serve.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", START, *command],
                env={**os.environ, **_environment(Path(work))},
                cwd=work,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait(process, f"http://127.0.0.1:{port}/health", log)
            yield ModelServer(f"http://127.0.0.1:{port}/v1", str(folder))
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _environment(work: Path) -> dict[str, str]:
    cache = work / "hub"  # the server lists what is in it, so it has to be there
    cache.mkdir()
    return {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    def answers() -> bool:
        assert process.poll() is None, f"The model server ended at once:\n{log.read_text(errors='replace')}"
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    wait_until(answers, seconds=180, what="An answer of the model server")
