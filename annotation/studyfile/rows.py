"""Rows of CSV, JSONL and Parquet files with the place where each stands."""

import csv
import io
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from annotation.parsing import TooMuch, check_columns, json_value, parquet_rows
from annotation.studyfile.problems import Problem, StudyFileError
from annotation.studyfile.yamltree import read_text

Placed = tuple[int | str, dict[str, Any]]


def read_rows(path: Path, required: Collection[str]) -> Iterator[Placed]:
    """Yield (line, values by column) for each row; Parquet has no lines, so "row 7" stands in for them.

    `required` are the columns that must exist. Raises StudyFileError, with all bad rows at once, after the good ones.
    """
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows, ".parquet": _parquet_rows}
    if path.suffix.lower() not in readers:
        message = f"has the ending {path.suffix!r}; items come from .csv, .jsonl or .parquet"
        raise StudyFileError([Problem(str(path), None, "", message)])
    yield from readers[path.suffix.lower()](path, required)


def _check_columns(path: Path, line: int | None, there: Collection[str], required: Collection[str]) -> None:
    names = list(there)
    problems = [
        Problem(str(path), line, column, f"there is no such column; the file has {', '.join(names) or 'none'}")
        for column in sorted(required)
        if column not in names
    ]
    problems += [
        Problem(str(path), line, name, "two columns have this name; rename one")
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    if problems:
        raise StudyFileError(problems)


def _csv_rows(path: Path, required: Collection[str]) -> Iterator[Placed]:
    reader = csv.reader(io.StringIO(read_text(path, str(path)), newline=""), strict=True)
    problems, line = [], 1
    try:
        header = next(reader, [])
        check_columns(header)
        _check_columns(path, 1, header, required)
        line = reader.line_num + 1
        for cells in reader:
            if cells and len(cells) != len(header):
                message = f"has {len(cells)} cells, the header {len(header)}; quote cells that hold commas or quotes"
                problems.append(Problem(str(path), line, "", message))
            elif cells:
                yield line, dict(zip(header, cells, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        problems.append(Problem(str(path), line, "", f"is not valid CSV: {error}"))
    except TooMuch as error:
        problems.append(Problem(str(path), line, "", str(error)))
    if problems:
        raise StudyFileError(problems)


def _jsonl_rows(path: Path, required: Collection[str]) -> Iterator[Placed]:
    problems = []
    seen: set[str] = set()
    # Not splitlines(): JSON may hold U+2028, which that would take for the end of a line.
    for line, text in enumerate(read_text(path, str(path)).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            row = json_value(text)
        except TooMuch as error:
            problems.append(Problem(str(path), line, "", str(error)))
            continue
        except ValueError as error:
            problems.append(Problem(str(path), line, "", f"is not JSON ({error}); write one object per line"))
            continue
        if isinstance(row, dict):
            seen |= set(row)
            yield line, row
        else:
            problems.append(Problem(str(path), line, "", 'is not an object; write {"prompt": "…"} on each line'))
    if problems:
        raise StudyFileError(problems)
    _check_columns(path, None, sorted(seen), required)


def _parquet_rows(path: Path, required: Collection[str]) -> Iterator[Placed]:
    import pyarrow as pa

    try:
        columns, rows = parquet_rows(path)
        _check_columns(path, None, columns, required)
        for number, row in enumerate(rows, start=1):
            yield f"row {number}", row
    except TooMuch as error:
        raise StudyFileError([Problem(str(path), None, "", str(error))]) from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise StudyFileError([Problem(str(path), None, "", f"is not a readable Parquet file: {error}")]) from error
