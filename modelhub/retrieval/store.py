"""Folders that are whole or not there: made elsewhere, renamed at the end, with a manifest of what they hold.

Several processes may make the same folder, on several machines if VAR_DIR is shared: the first one's is kept.
"""

import fcntl
import json
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelhub.runs.processes import is_alive

MANIFEST = "manifest.json"
_PARTIAL = ".partial-"
_LOCK = ".publishing"


def holds(folder: Path, wanted: Mapping[str, Any]) -> bool:
    """Return whether the folder is there, whole, and was made of exactly this."""
    return manifest_of(folder) == dict(wanted)


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """Return what the folder was made of, or None if it is not there."""
    try:
        return dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def begin(folder: Path) -> Path:
    """Return an empty folder in which to make `folder`; what killed processes of this machine have left is removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A process number says nothing about other machines, whose folders are left alone therefore.
    ours = f"{_PARTIAL}{folder.name}-{_host()}-"
    for left in folder.parent.glob(f"{ours}*"):
        if not is_alive(int(left.name.removeprefix(ours).split("-")[0])):
            shutil.rmtree(left, ignore_errors=True)
    made = folder.parent / f"{ours}{os.getpid()}-{uuid.uuid4().hex}"
    # Unlike tempfile's folders, one with the usual permissions: colleagues on the machine may search it too.
    made.mkdir()
    return made


def publish(made: Path, folder: Path, manifest: Mapping[str, Any]) -> None:
    """Put what was made in its place, instead of what was there before, unless that is the same."""
    (made / MANIFEST).write_text(json.dumps(dict(manifest), indent=1, sort_keys=True), encoding="utf-8")
    with _alone(folder.parent):
        if holds(folder, manifest):
            # Others may be reading it.
            shutil.rmtree(made)
            return
        if folder.exists():
            # Out of the way first: readers that have it open keep it, and nobody ever sees a mixture.
            old = begin(folder)
            folder.rename(old / folder.name)
            shutil.rmtree(old)
        made.rename(folder)


@contextmanager
def _alone(parent: Path) -> Iterator[None]:
    """Keep other processes from publishing; the kernel gives the lock back when a process is killed."""
    with (parent / _LOCK).open("w") as ours:
        fcntl.flock(ours, fcntl.LOCK_EX)
        yield


def _host() -> str:
    """Return this machine's name without the hyphens that separate parts of a folder's name."""
    return re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname())
