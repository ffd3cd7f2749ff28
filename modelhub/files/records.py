"""Read rows from files people have: JSONL, CSV, Parquet, and JSON arrays, also under a .jsonl name. Pure file reading.

Nothing is guessed silently: each bad row is reported with its file and place, all of them at once.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from annotation.errors import ServiceError
from annotation.parsing import LONGEST_ARRAY, LONGEST_LINE, TooMuch, check_columns, json_value, parquet_rows, repeated

_READ_SIZE = 1 << 20  # bytes hashed at a time
_PEEK = 1000  # characters in which an array has begun
# Of one CSV field. Python's own limit (128 KiB) is below the longest answers and forum posts there are; it is set once
# for the process, since it holds for all readers.
csv.field_size_limit(2**31 - 1)


class RecordError(ServiceError):
    """A file cannot be read; `problems` has one line per mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Record:
    """One row with the place it came from, such as `outputs.jsonl line 4`."""

    place: str
    values: dict[str, Any]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_READ_SIZE):
            digest.update(block)
    return digest.hexdigest()


def read_records(path: Path) -> list[Record]:
    """Return the rows of a .jsonl, .json, .csv or .parquet file; raise RecordError listing every bad row."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise RecordError([f"{path.name}: files must end in {', '.join(READERS)}, not {path.suffix or 'nothing'}."])
    try:
        rows = list(reader(path))
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split()).rstrip(".")  # Parquet's own errors have several lines
        raise RecordError([f"{path}: the file cannot be read: {reason}."]) from error
    except UnicodeDecodeError as error:
        raise RecordError([f"{path.name}: the file is not UTF-8 (byte {error.start}). Save it as UTF-8."]) from error
    problems = [row for row in rows if isinstance(row, str)]
    records = [row for row in rows if isinstance(row, Record)]
    if not rows:
        problems = [f"{path.name}: the file holds no rows."]
    if problems:
        raise RecordError(problems)
    return records


def _read_json(path: Path) -> Iterator[Record | str]:
    """Yield a Record, or the description of a problem, per row of a JSON array or of JSON lines."""
    # Not splitlines(): it also breaks at characters that JSON strings may hold unescaped, such as U+2028.
    with path.open(encoding="utf-8-sig", newline="\n") as handle:
        start = handle.read(_PEEK)
        handle.seek(0)
        if start.lstrip().startswith("["):
            yield from _json_array(path.name, handle.read(LONGEST_ARRAY + 1))
        else:
            yield from _json_lines(path.name, iter(lambda: handle.readline(LONGEST_LINE + 1), ""))


def _json_array(name: str, text: str) -> Iterator[Record | str]:
    try:
        rows = json_value(text, most=LONGEST_ARRAY)
    except json.JSONDecodeError as error:
        yield f"{name} line {error.lineno}: not valid JSON: {error.msg}."
        return
    except TooMuch as error:
        yield f"{name}: {error}."
        return
    for number, row in enumerate(rows, start=1):
        yield _object(f"{name} row {number}", row)


def _json_lines(name: str, lines: Iterator[str]) -> Iterator[Record | str]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{name} line {number}"
        try:
            yield _object(place, json_value(line))
        except json.JSONDecodeError as error:
            yield f"{place}: not valid JSON: {error.msg} at column {error.colno}."
        except TooMuch as error:
            yield f"{place}: {error}."
            if len(line) > LONGEST_LINE:  # what follows is the rest of it
                return


def _object(place: str, row: object) -> Record | str:
    if isinstance(row, dict):
        return Record(place, row)
    return f"{place}: must be an object with named values, not {type(row).__name__}."


def _read_csv(path: Path) -> Iterator[Record | str]:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle, strict=True)
        try:
            check_columns(reader.fieldnames or [])
            if twice := repeated(reader.fieldnames or []):
                yield f"{path.name} line 1: several columns are called {', '.join(map(repr, twice))}; keep one."
                return
            for row in reader:
                place = f"{path.name} line {reader.line_num}"
                if None in row or None in row.values():
                    yield f"{place}: has {'more' if None in row else 'fewer'} values than the header has columns."
                else:
                    yield Record(place, dict(row))
        except csv.Error as error:
            yield f"{path.name} line {reader.line_num}: not valid CSV: {error}."
        except TooMuch as error:
            yield f"{path.name}: {error}."


def _read_parquet(path: Path) -> Iterator[Record | str]:
    try:
        if twice := repeated(pyarrow.parquet.read_schema(path).names):
            yield f"{path.name}: several columns are called {', '.join(map(repr, twice))}; keep one."
            return
        _, rows = parquet_rows(path)
        for number, row in enumerate(rows, start=1):
            yield Record(f"{path.name} row {number}", row)
    except TooMuch as error:
        yield f"{path.name}: {error}."
    except (pyarrow.ArrowInvalid, UnicodeDecodeError) as error:
        yield f"{path.name}: not a valid Parquet file: {str(error).rstrip('.')}."


READERS: Mapping[str, Callable[[Path], Iterator[Record | str]]] = {
    ".jsonl": _read_json,
    ".json": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
