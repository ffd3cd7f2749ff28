"""A folder as one file to download."""

import tempfile
import zipfile
from pathlib import Path
from typing import IO


def folder_zipped(folder: Path) -> IO[bytes]:
    """Return an archive of the folder, open at its beginning, in a file that goes when it is closed."""
    packed: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (whoever sends it closes it)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder.parent))
    packed.seek(0)
    return packed
