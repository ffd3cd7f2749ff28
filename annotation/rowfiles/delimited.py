"""CSV in the dialects there are: separated by commas, semicolons or tabs, and with the empty rest that Excel leaves."""

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from annotation.parsing import TooMuch, check_columns, repeated
from annotation.rowfiles.records import RowProblem, Rows, gettext_noop
from annotation.rowfiles.text import opened_text

SEPARATORS = {
    ",": "",  # as everybody expects
    ";": gettext_noop("The file is separated by semicolons."),
    "\t": gettext_noop("The file is separated by tabs."),
}
_SAMPLE_ROWS, _SAMPLE = 50, 1 << 20  # rows and characters in which a separator shows itself
_HINT = "sep="  # by which Excel is told the separator, in a line of its own
# Of one CSV field. Python's own limit (128 KiB) is below the longest answers and forum posts there are; it is set once
# for the process, since it holds for all readers.
csv.field_size_limit(2**31 - 1)


def csv_rows(path: Path, notes: list[str], columns: list[str]) -> Rows:
    """Yield the rows of a CSV file after filling in its columns; blank rows are passed over."""
    with opened_text(path, notes, newline="") as handle:
        hinted, separator = _separator(handle)
        notes += filter(None, [SEPARATORS[separator]])
        reader = csv.reader(handle, delimiter=separator, strict=True)
        try:
            if hinted:
                next(reader)
            yield from _table(reader, columns, notes)
        except csv.Error as error:
            yield RowProblem(reader.line_num, f"is not valid CSV: {error}; put quotes around cells that hold quotes")
        except TooMuch as error:
            yield RowProblem(None, str(error))


def _table(reader: Any, columns: list[str], notes: list[str]) -> Rows:
    header: list[str] = next((cells for cells in reader if any(cell.strip() for cell in cells)), [])
    names, least = [name.strip() for name in header], len(_trimmed(header))
    check_columns(names)
    columns += [name for name in names if name]
    if twice := repeated(columns):
        yield RowProblem(reader.line_num, f"several columns are called {', '.join(map(repr, twice))}; rename one")
        return
    line, number = reader.line_num + 1, 0
    for cells in reader:
        here, line = line, reader.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if problem := _shape_problem(cells, names, least) or _unnamed(cells, names, number):
            yield RowProblem(here, problem)
        else:
            yield here, {name: cell for name, cell in zip(names, cells, strict=False) if name}
        number += 1
    if "" in names[:least]:
        notes.append(gettext_noop("A column without a name says nothing and was left out."))


def _shape_problem(cells: Sequence[str], names: Sequence[str], least: int) -> str:
    """Return what is wrong with the number of cells; those that Excel adds or leaves out at the end are empty."""
    if least <= len(cells) and len(_trimmed(cells)) <= len(names):
        return ""
    return (
        f"has {len(cells)} cells, the header {least}; quote cells that hold the separator, quotes or line breaks, and "
        "write empty cells too"
    )


def _unnamed(cells: Sequence[str], names: Sequence[str], number: int) -> str:
    """Return what is wrong with a column without a name: it may be empty, or hold the numbers that pandas adds."""
    for place, (name, cell) in enumerate(zip(names, cells, strict=False), start=1):
        if not name and cell.strip() not in ("", str(number)):
            return f"holds {cell[:40]!r} in column {place}, which has no name; name it in the first line"
    return ""


def _trimmed(cells: Sequence[str]) -> Sequence[str]:
    last = next((place for place in range(len(cells), 0, -1) if cells[place - 1].strip()), 0)
    return cells[:last]


def _separator(handle: TextIO) -> tuple[bool, str]:
    """Return whether the first line names the separator, and the separator; the handle is at the start again."""
    sample = handle.read(_SAMPLE)
    handle.seek(0)
    first = sample.lstrip("\ufeff").splitlines()[0].strip(" \r\n") if sample else ""
    if first[: len(_HINT)].lower() == _HINT and first[len(_HINT) :] in SEPARATORS:
        return True, first[len(_HINT) :]
    whole = len(sample) < _SAMPLE
    return False, max(SEPARATORS, key=lambda one: _fit(_sample_rows(sample, one, whole=whole)))


def _fit(rows: Sequence[Sequence[str]]) -> tuple[bool, float, int]:
    """Return how well a separator fits: columns at all, rows as wide as the header, and how many columns.

    Of a table of one column, whatever it is separated by, only that matters that no row has more.
    """
    if not rows:
        return False, 0.0, 0
    width = len(rows[0])
    alike = sum(len(row) == width or len(_trimmed(row)) <= width <= len(row) for row in rows) / len(rows)
    return width > 1, alike, width


def _sample_rows(sample: str, separator: str, *, whole: bool) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        rows.extend(islice(_filled(csv.reader(io.StringIO(sample, newline=""), delimiter=separator)), _SAMPLE_ROWS))
    except csv.Error:
        return rows
    return rows if whole or len(rows) < 2 else rows[:-1]  # the last may be cut off


def _filled(rows: Iterable[list[str]]) -> Iterable[list[str]]:
    return (row for row in rows if any(cell.strip() for cell in row))
