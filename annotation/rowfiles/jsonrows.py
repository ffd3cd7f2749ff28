"""JSON: one object per line, an array of objects, or the log of an evaluation, which holds them as its samples."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from annotation.parsing import FREE_BYTES, LONGEST_ARRAY, LONGEST_LINE, UNPACKED_PER_BYTE, TooMuch, json_value
from annotation.rowfiles.records import Place, RowProblem, Rows
from annotation.rowfiles.text import opened_text

_PEEK = 1000  # characters in which an array has begun
_ONE_EACH = "write one object per line"


def json_rows(path: Path, notes: list[str], columns: list[str]) -> Rows:
    """Yield the rows of JSON lines or of an array, whatever the file is called; or the samples of a log in one object.

    Line ends may be those of any system: within JSON's texts they stand as \\n.
    """
    # Not splitlines(): it also breaks at characters that JSON strings may hold unescaped, such as U+2028.
    with opened_text(path, notes, newline=None) as handle:
        start = handle.read(_PEEK).lstrip()
        handle.seek(0)
        if start.startswith("["):
            rows = _array(handle.read(LONGEST_ARRAY + 1))
        elif path.suffix.lower() == ".json" and not _is_lines(handle):
            rows = _one_object(handle.read(LONGEST_ARRAY + 1))
        else:
            rows = _lines(iter(lambda: handle.readline(LONGEST_LINE + 1), ""))
        yield from _with_columns(rows, columns)


def eval_rows(path: Path, notes: list[str], columns: list[str]) -> Rows:
    """Yield the samples of an .eval log of inspect_ai, which is a zip archive with a file for each."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield from _with_columns(_samples_of(archive, path.stat().st_size), columns)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        message = (
            f"is no .eval log that can be unpacked here ({error}); write it as JSON: inspect log convert --to json"
        )
        yield RowProblem(None, message)
    except TooMuch as error:
        yield RowProblem(None, str(error))


def _samples_of(archive: zipfile.ZipFile, size: int) -> Rows:
    samples = sorted((one for one in archive.infolist() if _is_sample(one.filename)), key=lambda one: one.filename)
    unpacked, most = sum(one.file_size for one in samples), FREE_BYTES + UNPACKED_PER_BYTE * size
    if unpacked > most:
        raise TooMuch(f"would take {unpacked >> 20} MB unpacked; at most {most >> 20} MB can be read from such a file")
    if not samples:
        yield RowProblem(None, "holds no samples; log the evaluation with its samples")
    for one in samples:
        with archive.open(one) as file:
            content = file.read(one.file_size + 1).decode("utf-8", errors="replace")
        yield from _value(one.filename, content, most=LONGEST_ARRAY)


def _is_sample(name: str) -> bool:
    return name.startswith("samples/") and name.endswith(".json")


def _with_columns(rows: Rows, columns: list[str]) -> Rows:
    seen = dict.fromkeys(columns)
    for row in rows:
        if not isinstance(row, RowProblem) and not row[1].keys() <= seen.keys():
            columns += [name for name in row[1] if name not in seen]
            seen.update(dict.fromkeys(row[1]))
        yield row


def _is_lines(handle: TextIO) -> bool:
    """Whether the first line is an object of its own; the handle is at the start again."""
    line = next((line for line in iter(lambda: handle.readline(LONGEST_LINE + 1), "") if line.strip()), "")
    handle.seek(0)
    try:
        json_value(line)
    except ValueError:
        return False
    # A log without line breaks is one line too.
    return not line.lstrip().startswith('{"version"') and '"samples"' not in line[:_PEEK]


def _array(text: str) -> Rows:
    try:
        rows = json_value(text, most=LONGEST_ARRAY)
    except json.JSONDecodeError as error:
        yield RowProblem(error.lineno, f"not valid JSON: {error.msg}")
    except TooMuch as error:
        yield RowProblem(None, str(error))
    else:
        yield from (_object(f"row {number}", row) for number, row in enumerate(rows, start=1))


def _one_object(text: str) -> Rows:
    try:
        found = json_value(text, most=LONGEST_ARRAY)
    except json.JSONDecodeError as error:
        yield RowProblem(error.lineno, f"not valid JSON: {error.msg}; {_ONE_EACH}, or an array of objects")
        return
    except TooMuch as error:
        yield RowProblem(None, str(error))
        return
    samples = found.get("samples") if isinstance(found, dict) else None
    if isinstance(samples, list):
        yield from (_object(f"sample {number}", row) for number, row in enumerate(samples, start=1))
    elif isinstance(found, dict) and "samples" not in found and "eval" not in found:
        yield _object("row 1", found)
    else:
        yield RowProblem(None, f"holds no samples and no list of objects; {_ONE_EACH}, or an array of objects")


def _lines(lines: Iterator[str]) -> Rows:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield from _value(number, line, most=LONGEST_LINE)
        if len(line) > LONGEST_LINE:  # what follows is the rest of it
            return


def _value(place: Place, text: str, *, most: int) -> Rows:
    try:
        yield _object(place, json_value(text, most=most))
    except json.JSONDecodeError as error:
        yield RowProblem(place, f"not valid JSON: {error.msg} at column {error.colno}; {_ONE_EACH}")
    except TooMuch as error:
        yield RowProblem(place, str(error))


def _object(place: Place, row: Any) -> tuple[Place, dict[str, Any]] | RowProblem:
    if isinstance(row, dict):
        return place, row
    return RowProblem(place, f'must be an object with named values such as {{"id": "…"}}, not {type(row).__name__}')
