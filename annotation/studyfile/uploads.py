"""A study file that somebody has sent: alone, or in a .zip with the files of its items."""

import tempfile
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from annotation.parsing import FREE_BYTES, MIB
from annotation.studyfile.definition import StudyDefinition
from annotation.studyfile.problems import Problem, StudyFileError
from annotation.studyfile.reader import read_study_file

MOST_FILES = 200
_PIECE = 1 << 16
_STUDY_FILES = (".yaml", ".yml")
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


def read_upload(name: str, file: BinaryIO) -> StudyDefinition:
    """Return the study that an uploaded file defines.

    Raises:
        StudyFileError: with every mistake found; files are named as they were sent, not where they lie here.
    """
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made).resolve()
        if name.lower().endswith(".zip"):
            unpack(name, file, folder)
            path = _study_file(name, folder)
        elif name.lower().endswith(_STUDY_FILES):
            path = folder / "study.yaml"
            path.write_bytes(file.read())
        else:
            raise StudyFileError([Problem(name, None, "", "is no study file; send one that ends in .yaml, or a .zip")])
        try:
            return read_study_file(path, confined=True)
        except StudyFileError as error:
            raise StudyFileError([_as_sent(problem, folder) for problem in error.problems]) from error


def _as_sent(problem: Problem, folder: Path) -> Problem:
    return replace(problem, file=problem.file.removeprefix(f"{folder}/"))


def unpack(name: str, file: BinaryIO, folder: Path) -> None:
    """Put the files of an archive into an empty folder, whose path is resolved.

    Raises:
        StudyFileError: it is no archive, holds too much, or something that would lie elsewhere.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MOST_FILES:
                raise _refused(name, f"holds {len(entries)} files; at most {MOST_FILES} can be read")
            left = FREE_BYTES
            for entry in entries:
                left -= _unpack_entry(name, archive, entry, folder, left)
    except _UNREADABLE as error:
        raise _refused(name, "is no readable .zip; make it anew, without a password") from error


def _unpack_entry(name: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, left: int) -> int:
    """Write one file and return its length. What an archive says of lengths is not believed, but counted."""
    inside = PurePosixPath(entry.filename)
    path = folder / inside
    if inside.is_absolute() or ".." in inside.parts or not path.resolve().is_relative_to(folder):
        raise _refused(name, f"holds {entry.filename!r}, which would lie outside of its folder; leave that out")
    path.parent.mkdir(parents=True, exist_ok=True)
    length = 0
    with archive.open(entry) as packed, path.open("wb") as written:
        while piece := packed.read(_PIECE):
            length += len(piece)
            if length > left:
                raise _refused(name, f"unpacks into more than {FREE_BYTES / MIB:.0f} MB; send less at once")
            written.write(piece)
    return length


def _study_file(name: str, folder: Path) -> Path:
    """Return the one study file of an archive: study.yaml, or the only file that ends so."""
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in _STUDY_FILES and path.is_file()]
    found = [path for path in found if "__MACOSX" not in path.parts]
    named = [path for path in found if path.stem == "study"] or found
    if len(named) != 1:
        there = ", ".join(str(path.relative_to(folder)) for path in named) or "none"
        raise _refused(name, f"must hold one study file, such as study.yaml; found: {there}")
    return named[0]


def _refused(name: str, message: str) -> StudyFileError:
    return StudyFileError([Problem(name, None, "", message)])
