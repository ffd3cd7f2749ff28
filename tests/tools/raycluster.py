"""A Ray cluster of several nodes on this machine, any of which can be killed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.tools.processes import free_port, wait_until

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
_OPTIONS = (
    "--num-cpus=1", "--num-gpus=0", "--object-store-memory=100000000", "--disable-usage-stats", "--block",
)  # fmt: skip


class RayNode:
    """One node: its processes, which end with it."""

    def __init__(self, log_file: Path, *options: str) -> None:
        self._log = log_file
        with log_file.open("ab") as log:
            self._process = psutil.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", "start", *options, *_OPTIONS],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, **QUIET},
            )  # fmt: skip

    def is_up(self) -> bool:
        """Whether it belongs to the cluster."""
        return "will now block forever" in self._log.read_text()

    def kill(self) -> None:
        """End all of it at once, as a machine that loses its power."""
        for process in self._all():
            process.send_signal(signal.SIGSTOP)  # so that none sees another one go
        for process in self._all():
            process.kill()

    def works(self) -> bool:
        """Whether an engine is loaded on it."""
        return any("MapWorker" in " ".join(_said(process)) for process in self._all())

    def _all(self) -> list[psutil.Process]:
        try:
            return [self._process, *self._process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


class RayCluster:
    """The address of the head, and the other nodes."""

    def __init__(self, address: str, others: list[RayNode]) -> None:
        self.address = address
        self.others = others


@contextmanager
def ray_cluster(*, nodes: int = 2) -> Iterator[RayCluster]:
    """Run a head with so many nodes in all, of one processor each."""
    port = free_port()
    # Below /tmp itself: the paths of Ray's sockets are long, and the system allows them 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    address = f"127.0.0.1:{port}"
    head = RayNode(folder / "head.log", "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}")
    others: list[RayNode] = []
    try:
        wait_until(head.is_up, seconds=60, what="The head of the Ray cluster")
        others += [RayNode(folder / f"{number}.log", f"--address={address}") for number in range(nodes - 1)]
        wait_until(lambda: all(node.is_up() for node in others), seconds=60, what="The other nodes")
        yield RayCluster(address, others)
    finally:
        for node in (*others, head):
            node.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _said(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
