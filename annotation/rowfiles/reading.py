"""One door for all files of rows, by what their names end in."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from annotation.parsing import TooMuch, arrow_rows, parquet_rows, repeated
from annotation.rowfiles.delimited import csv_rows
from annotation.rowfiles.jsonrows import eval_rows, json_rows
from annotation.rowfiles.packed import NotPacked, unpacked
from annotation.rowfiles.preferences import NESTED
from annotation.rowfiles.records import Record, RecordError, RowProblem, Rows
from annotation.rowfiles.text import SAVE, NotText

_READ_SIZE = 1 << 20  # bytes hashed at a time
_SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
_PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z")


class RowFile:
    """A file of rows. `columns` and `notes`, what a person should be told of it, are filled in while it is read.

    `read_as` is an ending to go by instead of its own. Of Parquet and Arrow files, lists are read in the columns
    `nested` and in those of chats and preference pairs.
    """

    def __init__(self, path: Path, *, read_as: str = "", nested: Collection[str] = ()) -> None:
        self.path = path
        self._suffix = read_as or ending_of(path) or path.suffix.lower()
        self._nested = nested
        self.notes: list[str] = []
        self.columns: list[str] = []

    @property
    def header_line(self) -> int | None:
        """The line that names the columns, None where each row names its own."""
        return 1 if self._suffix.removesuffix(PACKED) in (".csv", ".tsv") else None

    @property
    def is_table(self) -> bool:
        """Whether all columns are known with the first row."""
        return self.header_line is not None or self._suffix in (".parquet", ".arrow")

    def rows(self) -> Iterator[Record | RowProblem]:
        """Yield each row, or what is wrong with it, in the order of the file."""
        suffix = self._suffix
        if suffix not in ENDINGS:
            yield RowProblem(None, _unreadable(suffix))
            return
        try:
            for row in self._read(suffix):
                yield row if isinstance(row, RowProblem) else Record(self.path.name, *row)
        except NotText as error:
            yield error.problem
        except NotPacked as error:
            yield RowProblem(None, str(error))
        except FileNotFoundError:
            yield RowProblem(None, "the file cannot be read: there is no such file; check the path")
        except OSError as error:
            reason = error.strerror or " ".join(str(error).split())  # Parquet's own errors have several lines
            yield RowProblem(None, f"the file cannot be read: {reason}")

    def _read(self, suffix: str) -> Rows:
        if suffix in _TABLES:
            yield from _table_rows(_TABLES[suffix], self.path, self.columns, {*NESTED, *self._nested})
        elif suffix.endswith(PACKED):
            with unpacked(self.path, suffix.removesuffix(PACKED)) as path:
                yield from _READERS[suffix.removesuffix(PACKED)](path, self.notes, self.columns)
        else:
            yield from _READERS[suffix](self.path, self.notes, self.columns)


def ending_of(path: PurePath) -> str:
    """Return the ending by which a file is read, such as `.jsonl` or `.jsonl.gz`; "" if it is of no kind that is."""
    name = path.name.lower()
    return max((ending for ending in ENDINGS if name.endswith(ending)), key=len, default="")


def read_records(path: Path, *, nested: Collection[str] = ()) -> list[Record]:
    """Return all rows of a file; raise RecordError listing every bad one."""
    rows = list(RowFile(path, nested=nested).rows())
    problems = [row.told(path.name) for row in rows if isinstance(row, RowProblem)]
    if not rows:
        problems = [f"{path.name}: the file holds no rows."]
    if problems:
        raise RecordError(problems)
    return [row for row in rows if isinstance(row, Record)]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_READ_SIZE):
            digest.update(block)
    return digest.hexdigest()


def _unreadable(suffix: str) -> str:
    if suffix in _SPREADSHEETS:
        return f"is a spreadsheet, whose cells may be rewritten before they are read; {SAVE}"
    if suffix in _PACKED:
        return "is packed; unpack it first"
    return f"files must end in {', '.join(ENDINGS)}, not {suffix or 'nothing'}"


def _table_rows(reader: Callable[..., Any], path: Path, columns: list[str], nested: Collection[str]) -> Rows:
    import pyarrow as pa

    try:
        names, rows = reader(path, whole=nested)
        if twice := repeated(names):
            yield RowProblem(None, f"several columns are called {', '.join(map(repr, twice))}; rename one")
            return
        columns += names
        yield from ((f"row {number}", row) for number, row in enumerate(rows, start=1))
    except TooMuch as error:
        yield RowProblem(None, str(error))
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        kind = "Parquet" if reader is parquet_rows else "Arrow"
        yield RowProblem(None, f"not a valid {kind} file: {' '.join(str(error).split())}")


PACKED = ".gz"
_READERS: Mapping[str, Callable[[Path, list[str], list[str]], Rows]] = {
    ".csv": csv_rows,
    ".tsv": csv_rows,
    ".jsonl": json_rows,
    ".ndjson": json_rows,
    ".json": json_rows,
    ".eval": eval_rows,
}
_TABLES: Mapping[str, Callable[..., Any]] = {".parquet": parquet_rows, ".arrow": arrow_rows}
_TEXTS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
ENDINGS = (*_READERS, *_TABLES, *(f"{one}{PACKED}" for one in _TEXTS))
