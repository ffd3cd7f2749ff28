"""Files that only the account which runs the site can read, whatever its umask is."""

import logging
import os
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

OTHERS = 0o077
"""The rights of the group and of everybody else."""


def make_private(path: Path) -> None:
    """Make the file, empty, if it is missing, for its owner alone; else take others' rights to it away if it is ours.

    Where neither can be done, whoever opens the file next finds out and says why.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    tighten(path)


def tighten(path: Path) -> None:
    """Take others' rights to a file of ours away and say so; nothing where it is missing, or on a read-only disk."""
    with suppress(OSError):
        status = path.stat()
        if status.st_mode & OTHERS and status.st_uid == os.geteuid():
            path.chmod(status.st_mode & 0o7777 & ~OTHERS)
            logger.warning(
                "%s had the rights %o: others could reach it. They cannot now.", path, status.st_mode & 0o777
            )


def others_may(path: Path) -> bool:
    """Return whether the group or everybody else has any right to a file; False where it cannot be looked at."""
    with suppress(OSError):
        return bool(path.stat().st_mode & OTHERS)
    return False
