"""Where the processes of one web server keep what they count, for whichever of them is asked to add it up.

Each server has a folder of its own below VAR_DIR, which it holds by a lock: where the lock is free, the server is gone.
Process numbers would not tell, as in containers that share VAR_DIR.
"""

import contextlib
import fcntl
import os
import shutil
import struct
import tempfile
from pathlib import Path
from typing import IO

# Read by prometheus_client when it is imported: from then on it counts in files of this folder.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Room for all addresses, methods and kinds of status that there are, and then some.
_BYTES = {"histogram": 1 << 20, "gauge_livesum": 1 << 16}
_held: list[IO[bytes]] = []


def counting_folder_make(var_dir: Path) -> Path:
    """Make this server's folder, tell it to prometheus_client, and remove those of servers that are gone."""
    above = var_dir / "metrics"
    above.mkdir(exist_ok=True)
    for left in above.glob("server-*"):
        if _is_free(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="server-", dir=above))
    lock = (folder / "lock").open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _held.append(lock)  # until the last process of the server has ended: those that are forked hold it too
    os.environ[FOLDER_VARIABLE] = str(folder)
    return folder


def counting_files_reserve(process: int) -> None:
    """Take the disk space of a process's files now.

    They are written through memory, where a disk that fills up later would not be an error but the end of the process.
    """
    if not hasattr(os, "posix_fallocate"):
        return  # macOS, where people try things out
    folder = Path(os.environ[FOLDER_VARIABLE])
    for kind, size in _BYTES.items():
        with (folder / f"{kind}_{process}.db").open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, size)


def counting_files_settle(process: int) -> None:
    """Keep what a process that has ended counted, in no more space than it takes; forget what it had under way."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(process)
    counted = Path(os.environ[FOLDER_VARIABLE]) / f"histogram_{process}.db"
    with contextlib.suppress(FileNotFoundError), counted.open("r+b") as file:
        (used,) = struct.unpack("i", file.read(4))  # the file says so at its beginning
        file.truncate(max(used, 8))


def _is_free(folder: Path) -> bool:
    try:
        with (folder / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False  # held, or being made or removed by another server that starts now
    return True
