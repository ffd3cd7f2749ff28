"""Files packed with gzip, as data sets are published: unpacked beside the original for as long as they are read."""

import gzip
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from annotation.parsing import FREE_BYTES, MIB, UNPACKED_PER_BYTE

_PIECE = 1 << 20  # bytes


class NotPacked(ValueError):
    """A file cannot be unpacked, or would unpack into too much; the sentence goes on from its name."""


@contextmanager
def unpacked(path: Path, ending: str) -> Iterator[Path]:
    """Unpack a file for as long as it is read, under a name with this ending. Raises NotPacked, and OSError."""
    with tempfile.NamedTemporaryFile(suffix=ending) as file:
        _unpack(path, file)
        file.flush()
        yield Path(file.name)


def _unpack(path: Path, into: IO[bytes]) -> None:
    most = FREE_BYTES + UNPACKED_PER_BYTE * path.stat().st_size
    try:
        with gzip.open(path) as packed:
            while piece := packed.read(_PIECE):
                into.write(piece)
                if into.tell() > most:
                    raise NotPacked(f"unpacks into more than {most // MIB} MB; unpack it first, and bring it in parts")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise NotPacked(f"is no whole gzip file ({error}); pack it anew, or bring it unpacked") from error
