"""The file of a backup: a ZIP with the dump of the database and manifest.json."""

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

from pydantic import ValidationError

from annotation.errors import ServiceError
from personaeval.backups.manifest import FORMAT, Manifest

DUMP, MANIFEST = "database.dump", "manifest.json"
# A flipped bit may ask for a password (RuntimeError), another version of the format, or a place before the file.
_DAMAGES = (zipfile.BadZipFile, zlib.error, KeyError, EOFError, RuntimeError, ValueError)
CHUNK = 1 << 20  # bytes
_LONGEST_MANIFEST = 1 << 20  # bytes; those of real sites take a few thousand
Progress = Callable[[int], object]
"""Told how many more bytes have passed."""


class DumpWriter:
    """An archive that is being written: first the dump, then the manifest that holds its digest."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()

    def dump(self, source: IO[bytes], progress: Progress, *, compress: bool) -> tuple[int, str]:
        """Copy the dump into the archive; return its length in bytes and its SHA-256."""
        entry = zipfile.ZipInfo(DUMP)
        entry.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        digest, length = hashlib.sha256(), 0
        with self._zip.open(entry, "w", force_zip64=True) as sink:
            while chunk := source.read(CHUNK):
                sink.write(chunk)
                digest.update(chunk)
                length += len(chunk)
                progress(len(chunk))
        return length, digest.hexdigest()

    def manifest(self, manifest: Manifest) -> None:
        """Write the manifest."""
        self._zip.writestr(MANIFEST, manifest.model_dump_json(indent=2) + "\n")


class Backup:
    """An archive that is read. Whatever is wrong with it is a ServiceError that names it."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self._zip = archive
        self.manifest = self._manifest()

    def verify(self, progress: Progress) -> None:
        """Read the whole dump and hold it to the manifest's length and digest."""
        digest, length = hashlib.sha256(), 0
        for chunk in self.chunks(progress):
            digest.update(chunk)
            length += len(chunk)
            if length > self.manifest.dump_bytes:  # there may be no end to it
                break
        if (length, digest.hexdigest()) != (self.manifest.dump_bytes, self.manifest.dump_sha256):
            raise self._damaged("its digest is another one")

    def chunks(self, progress: Progress) -> Iterator[bytes]:
        """Yield the dump piece by piece."""
        try:
            with self._zip.open(DUMP) as source:
                while chunk := source.read(CHUNK):
                    progress(len(chunk))
                    yield chunk
        except _DAMAGES as error:
            raise self._damaged(str(error)) from error

    def _manifest(self) -> Manifest:
        try:
            with self._zip.open(MANIFEST) as source:
                content = source.read(_LONGEST_MANIFEST)
        except _DAMAGES as error:
            raise self._damaged(str(error)) from error
        try:
            manifest = Manifest.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, (MANIFEST, *first["loc"])))
            raise self._damaged(f"{where} cannot be read: {first['msg']}") from error
        if manifest.format != FORMAT:
            raise ServiceError(
                f"{self.path} has format {manifest.format}, and this code reads {FORMAT}. Restore it with the code "
                f"that made it: version {manifest.version}, commit {manifest.commit or 'unknown'}."
            )
        return manifest

    def _damaged(self, why: str) -> ServiceError:
        return ServiceError(f"{self.path} is damaged ({why}). Nothing was touched; use another backup.")


@contextmanager
def backup_opened(path: Path) -> Iterator[Backup]:
    """Open a backup; ServiceError where the file is none, or not a whole one."""
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGES as error:
        raise ServiceError(f"{path} is no whole backup: it is cut off, or another kind of file.") from error
    with archive:
        yield Backup(path, archive)
