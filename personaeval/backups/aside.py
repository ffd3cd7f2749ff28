"""Write a file beside its place and move it there when it is whole: whoever looks finds nothing or all of it."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = ".personaeval.draft-"


@contextmanager
def draft_in(folder: Path) -> Iterator[Path]:
    """Yield an empty file of mode 0600 in the folder; it is gone at the end unless `put` has moved it.

    What killed processes have left there is removed first. A living one holds a lock on its own.
    """
    for left in folder.glob(f"{PREFIX}*"):
        _remove_unless_held(left)
    handle, name = tempfile.mkstemp(dir=folder, prefix=PREFIX)
    draft = Path(name)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield draft
    finally:
        for left in folder.glob(f"{draft.name}*"):  # SQLite leaves a journal beside a copy that failed
            left.unlink(missing_ok=True)
        os.close(handle)


def put(draft: Path, target: Path) -> None:
    """Move a draft to its place, when it is on the disk."""
    _to_disk(draft)
    draft.replace(target)
    _to_disk(target.parent)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_unless_held(path: Path) -> None:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except (BlockingIOError, FileNotFoundError):
        return  # somebody is at it, or has just ended
