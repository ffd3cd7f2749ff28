"""Write the rows of one table as CSV, JSONL or Parquet. Text leaves exactly as it stands in the database."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from annotation.export.tables import Row, Table

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("csv", "jsonl", "parquet")
# A spreadsheet takes a cell that starts like this for a formula; the apostrophe itself marks what was marked.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_BATCH = 1000


class _Echo:
    """A file-like object that hands each line back, so that csv.writer can feed a stream."""

    def write(self, line: str) -> str:
        return line


def csv_lines(table: Table, *, formula_safe: bool = False) -> Iterator[str]:
    """Yield the lines of an RFC 4180 file: UTF-8, ends of line CRLF, null as an empty cell.

    `formula_safe` is for spreadsheets: a byte order mark comes first, and a text that a spreadsheet could take for a
    formula, or that starts with an apostrophe, gets one apostrophe in front. Removing it restores the text.
    """
    write = csv.writer(_Echo(), lineterminator="\r\n").writerow
    if formula_safe:
        yield "\ufeff"
    yield write([column.name for column in table.columns])  # writerow returns what write returns
    cell = _safe_cell if formula_safe else _csv_cell
    for row in table.rows():
        yield write([cell(row[column.name]) for column in table.columns])


def jsonl_lines(table: Table) -> Iterator[str]:
    """Yield one JSON object per row, in UTF-8 without escapes, parted by a line feed alone."""
    encode = json.JSONEncoder(ensure_ascii=False, default=_timestamp).encode
    for row in table.rows():
        yield encode(row) + "\n"


def parquet_write(table: Table, sink: BinaryIO) -> None:
    """Write the table into `sink`, `_BATCH` rows at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(table)
    rows = table.rows()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        while batch := list(islice(rows, _BATCH)):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema), row_group_size=_BATCH * 50)


def _schema(table: Table) -> "pa.Schema":
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([
        pa.field(column.name, types[column.type], metadata={"meaning": column.meaning}) for column in table.columns
    ])  # fmt: skip


def table_write(table: Table, sink: BinaryIO, *, format: str, formula_safe: bool = False) -> tuple[int, set[str]]:
    """Write `table` into `sink`; return the number of rows written, and the columns in which a cell is null."""
    counted, written = _counted(table)
    if format == "parquet":
        parquet_write(counted, sink)
    else:
        lines = jsonl_lines(counted) if format == "jsonl" else csv_lines(counted, formula_safe=formula_safe)
        for line in lines:
            sink.write(line.encode())
    return written()


def _counted(table: Table) -> tuple[Table, Callable[[], tuple[int, set[str]]]]:
    """Return the table with its rows counted as they pass, and a function that says how many passed, and the holes."""
    passed, full = 0, [column.name for column in table.columns]

    def rows() -> Iterator[Row]:
        nonlocal passed, full
        for row in table.rows():
            passed += 1
            full = [name for name in full if row[name] is not None]
            yield row

    holes = {column.name for column in table.columns}
    return replace(table, rows=rows), lambda: (passed, holes.difference(full))


def _timestamp(value: Any) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"{type(value).__name__} has no place in an export")
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _csv_cell(value: Any) -> str | int | float | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _timestamp(value) if isinstance(value, datetime) else value


def _safe_cell(value: Any) -> str | int | float | None:
    marked = isinstance(value, str) and value.startswith(_FORMULA_STARTS)
    return f"'{value}" if marked else _csv_cell(value)
