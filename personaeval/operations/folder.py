"""Where the processes of one web server keep what they count, for whichever of them is asked to add it up.

Each server has a folder of its own below VAR_DIR, which it holds by a lock: where the lock is free, the server is gone.
Process numbers would not tell, as in containers that share VAR_DIR.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

# Read by prometheus_client when it is imported: from then on it counts in files of this folder.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Room for all addresses, methods and kinds of status that there are, and then some.
_BYTES = {"histogram": 1 << 20, "gauge_livesum": 1 << 16}
_ENDED = "histogram_ended.db"  # what all processes have counted that have ended
_held: list[IO[bytes]] = []
_ended: set[Path] = set()


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
    """Add what a process that has ended counted to what others have before it; forget what it had under way.

    So a server that has to replace its processes again and again has no more files to read for it.
    """
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(process)
    folder = Path(os.environ[FOLDER_VARIABLE])
    _ended.add(folder / f"histogram_{process}.db")
    with _reading(folder) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # they are being read, and the server's master waits for nobody: when the next one ends
        _add_up(folder / _ENDED, [path for path in _ended if path.exists()])
        _ended.clear()


@contextlib.contextmanager
def counting_files_held() -> Iterator[None]:
    """Let no file be added to another one while all are read: its counts would be missing, or told twice."""
    with _reading(Path(os.environ[FOLDER_VARIABLE])) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def _reading(folder: Path) -> IO[bytes]:
    return (folder / "reading").open("ab")


def _add_up(target: Path, files: list[Path]) -> None:
    """Add counts to those in `target`, and remove the files that they were in."""
    from prometheus_client.mmap_dict import MmapedDict

    counts: Counter[str] = Counter()
    for file in (target, *files):
        if file.exists():
            counts.update({key: value for key, value, *_ in MmapedDict.read_all_values_from_file(str(file))})
    draft = target.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    written = MmapedDict(str(draft))
    for key, value in counts.items():
        written.write_value(key, value, 0.0)
    written.close()
    draft.replace(target)
    for file in files:
        file.unlink()


def _is_free(folder: Path) -> bool:
    try:
        with (folder / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False  # held, or being made or removed by another server that starts now
    return True
