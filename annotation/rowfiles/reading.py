"""One door for all files of rows, by what their names end in."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from annotation.parsing import TooMuch, parquet_rows, repeated
from annotation.rowfiles.delimited import csv_rows
from annotation.rowfiles.jsonrows import eval_rows, json_rows
from annotation.rowfiles.records import Record, RecordError, RowProblem, Rows
from annotation.rowfiles.text import SAVE, NotText

_READ_SIZE = 1 << 20  # bytes hashed at a time
_SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
_PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z")
_TURNS = ("messages", "conversations")  # columns of Parquet files whose lists are read: the turns of a chat


class RowFile:
    """A file of rows. `columns` and `notes`, what a person should be told of it, are filled in while it is read.

    `read_as` is an ending to go by instead of its own.
    """

    def __init__(self, path: Path, *, read_as: str = "") -> None:
        self.path = path
        self._suffix = read_as or path.suffix.lower()
        self.notes: list[str] = []
        self.columns: list[str] = []

    @property
    def header_line(self) -> int | None:
        """The line that names the columns, None where each row names its own."""
        return 1 if self._suffix in (".csv", ".tsv") else None

    @property
    def is_table(self) -> bool:
        """Whether all columns are known with the first row."""
        return self.header_line is not None or self._suffix == ".parquet"

    def rows(self) -> Iterator[Record | RowProblem]:
        """Yield each row, or what is wrong with it, in the order of the file."""
        suffix = self._suffix
        if suffix not in _READERS:
            yield RowProblem(None, _unreadable(suffix))
            return
        try:
            for row in _READERS[suffix](self.path, self.notes, self.columns):
                yield row if isinstance(row, RowProblem) else Record(self.path.name, *row)
        except NotText as error:
            yield error.problem
        except FileNotFoundError:
            yield RowProblem(None, "the file cannot be read: there is no such file; check the path")
        except OSError as error:
            reason = error.strerror or " ".join(str(error).split())  # Parquet's own errors have several lines
            yield RowProblem(None, f"the file cannot be read: {reason}")


def read_records(path: Path) -> list[Record]:
    """Return all rows of a file; raise RecordError listing every bad one."""
    rows = list(RowFile(path).rows())
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


def _parquet_rows(path: Path, notes: list[str], columns: list[str]) -> Rows:
    import pyarrow as pa

    try:
        names, rows = parquet_rows(path, whole=_TURNS)
        if twice := repeated(names):
            yield RowProblem(None, f"several columns are called {', '.join(map(repr, twice))}; rename one")
            return
        columns += names
        yield from ((f"row {number}", row) for number, row in enumerate(rows, start=1))
    except TooMuch as error:
        yield RowProblem(None, str(error))
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        yield RowProblem(None, f"not a valid Parquet file: {' '.join(str(error).split())}")


_READERS: Mapping[str, Callable[[Path, list[str], list[str]], Rows]] = {
    ".csv": csv_rows,
    ".tsv": csv_rows,
    ".jsonl": json_rows,
    ".json": json_rows,
    ".parquet": _parquet_rows,
    ".eval": eval_rows,
}
ENDINGS = tuple(_READERS)
