"""Read rows from files people have: JSONL, CSV, Parquet, and JSON arrays, also under a .jsonl name. Pure file reading.

Nothing is guessed silently: each bad row is reported with its file and place, all of them at once.
"""

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

_READ_SIZE = 1 << 20  # bytes hashed at a time


class RecordError(Exception):
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
    readers = {".jsonl": _read_json, ".json": _read_json, ".csv": _read_csv, ".parquet": _read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise RecordError([f"{path.name}: files must end in {', '.join(readers)}, not {path.suffix or 'nothing'}."])
    try:
        rows = list(reader(path))
    except OSError as error:
        raise RecordError([f"{path}: the file cannot be read: {error.strerror or error}."]) from error
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
    text = path.read_text(encoding="utf-8-sig")
    if text.lstrip().startswith("["):
        yield from _json_array(path.name, text)
    else:
        yield from _json_lines(path.name, text)


def _json_array(name: str, text: str) -> Iterator[Record | str]:
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        yield f"{name} line {error.lineno}: not valid JSON: {error.msg}."
        return
    for number, row in enumerate(rows, start=1):
        yield _object(f"{name} row {number}", row)


def _json_lines(name: str, text: str) -> Iterator[Record | str]:
    # Not splitlines(): it also breaks at characters that JSON strings may hold unescaped, such as U+2028.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{name} line {number}"
        try:
            yield _object(place, json.loads(line))
        except json.JSONDecodeError as error:
            yield f"{place}: not valid JSON: {error.msg} at column {error.colno}."


def _object(place: str, row: object) -> Record | str:
    if isinstance(row, dict):
        return Record(place, row)
    return f"{place}: must be an object with named values, not {type(row).__name__}."


def _read_csv(path: Path) -> Iterator[Record | str]:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle, strict=True)
        try:
            for row in reader:
                place = f"{path.name} line {reader.line_num}"
                if None in row or None in row.values():
                    yield f"{place}: has {'more' if None in row else 'fewer'} values than the header has columns."
                else:
                    yield Record(place, dict(row))
        except csv.Error as error:
            yield f"{path.name} line {reader.line_num}: not valid CSV: {error}."


def _read_parquet(path: Path) -> Iterator[Record | str]:
    try:
        table = pyarrow.parquet.read_table(path)
    except pyarrow.ArrowInvalid as error:
        yield f"{path.name}: not a valid Parquet file: {error}."
        return
    for number, row in enumerate(table.to_pylist(), start=1):
        yield Record(f"{path.name} row {number}", row)
