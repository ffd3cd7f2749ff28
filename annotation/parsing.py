"""Read files of others within limits: a small file can unpack into more than a machine has.

Every limit is far above what studies need, says itself in the message, and is checked before memory is taken.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MIB = 1 << 20
# A study with 20,000 items written into it takes 20 MB, and PyYAML minutes; more belongs into a file of items.
LONGEST_YAML = 64 * MIB  # bytes
# What aliases (*name) repeat, as parts; people use them for a scale or a text that stands twice.
MOST_REPEATED = 100_000
DEEPEST = 50  # brackets within brackets; study files have seven
LONGEST_LINE = 16 * MIB  # characters of one JSON line: a row with a text of the greatest length, each character escaped
LONGEST_ARRAY = 512 * MIB  # characters of a JSON array, which is read as a whole; JSON lines are read one by one
MOST_COLUMNS = 1000
# A Parquet file states its rows and its unpacked size. A row takes some bytes however well it is packed, and text packs
# to a twentieth.
FREE_ROWS, BYTES_PER_ROW = 100_000, 4
FREE_BYTES, UNPACKED_PER_BYTE = 64 * MIB, 200


class TooMuch(ValueError):
    """What a file holds, or would unpack into, is beyond a limit; or what it holds is ambiguous."""


def check_bytes(size: int, most: int, remedy: str) -> None:
    """Raise TooMuch where a file is longer than it may be."""
    if size > most:
        raise TooMuch(f"is {size / MIB:.1f} MB long; at most {most / MIB:g} MB can be read: {remedy}")


# --- YAML ----------------------------------------------------------------------------------------------------------


def yaml_content(loader: yaml.SafeLoader) -> tuple[Node | None, Any]:
    """Return the nodes of a document and what they say.

    Raises TooMuch for what is nested or repeated beyond the limits, and what PyYAML raises.
    """
    try:
        root = loader.get_single_node()
        if root is None:
            return None, None
        _check_repeated(root)
        return root, loader.construct_document(root)
    except RecursionError as error:
        raise TooMuch(f"is nested too deeply; {DEEPEST} levels can be read") from error


def _check_repeated(root: Node) -> None:
    unpacked: dict[int, int] = {}  # parts below each node, with those that an alias repeats
    if (whole := _unpacked(root, unpacked, depth=0)) - len(unpacked) > MOST_REPEATED:
        raise TooMuch(
            f"repeats {whole - len(unpacked)} parts by aliases (*name); at most {MOST_REPEATED} can be read: write out "
            "what stands at few places"
        )


def _unpacked(node: Node, known: dict[int, int], *, depth: int) -> int:
    if known.get(id(node)) == 0:
        raise TooMuch("holds an alias (*name) inside of what it stands for; write that out")
    if depth > DEEPEST:
        raise TooMuch(f"is nested too deeply; {DEEPEST} levels can be read")
    if id(node) not in known:
        known[id(node)] = 0  # being counted
        known[id(node)] = 1 + sum(_unpacked(one, known, depth=depth + 1) for one in children_of(node))
    return known[id(node)]


def children_of(node: Node) -> Iterator[Node]:
    """Yield the nodes inside a node, keys too."""
    if isinstance(node, SequenceNode):
        yield from node.value
    elif isinstance(node, MappingNode):
        for pair in node.value:
            yield from pair


def is_rewritten(node: Node) -> bool:
    """Whether YAML reads a number as another one than stands there: 010 as 8, 1:30 as 90, 0x10 as 16, 1_000 as 1000."""
    if not isinstance(node, ScalarNode) or node.tag != "tag:yaml.org,2002:int":
        return False
    return str(yaml.SafeLoader("").construct_yaml_int(node)) != node.value.removeprefix("+")


# --- JSON ----------------------------------------------------------------------------------------------------------


def json_value(text: str, *, most: int = LONGEST_LINE) -> Any:
    """Return the value of a JSON text. Raises JSONDecodeError, or TooMuch for what JSON allows and we do not."""
    if len(text) > most:
        raise TooMuch(f"holds more than {most} characters in one piece; write one object per line, as JSONL")
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError as error:
        raise TooMuch("brackets are nested too deeply") from error
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError | TooMuch):
            raise
        raise TooMuch("a number has more digits than can be read") from error


def _no_number(name: str) -> Any:
    raise TooMuch(f"{name} is no number that JSON has; write null where there is none")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's values by name; JSON itself would silently keep the last of those with one name."""
    if twice := repeated(name for name, _ in pairs):
        raise TooMuch(f"{', '.join(map(repr, twice))} stands twice in one object; keep one of the two")
    return dict(pairs)


def repeated(names: Iterable[str]) -> list[str]:
    """Return the names that stand there more than once."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


# --- CSV -----------------------------------------------------------------------------------------------------------


def check_columns(header: Sequence[str]) -> None:
    """Raise TooMuch where a table has more columns than rows are read with."""
    if len(header) > MOST_COLUMNS:
        raise TooMuch(f"has {len(header)} columns; at most {MOST_COLUMNS} can be read: leave out what is not needed")


# --- Parquet -------------------------------------------------------------------------------------------------------


def check_parquet(path: Path) -> None:
    """Raise TooMuch where a file would unpack into more than its length lets expect, and what pyarrow raises."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        _check_unpacked(file, path.stat().st_size)


def parquet_rows(path: Path, *, whole: Collection[str] = ()) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """Return the columns of a Parquet file and its rows, row group by row group.

    A text that many rows share is one text in memory. Lists and mappings come empty, since nothing here reads them, but
    for those of the columns `whole`. Raises TooMuch, and what pyarrow raises.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    check_columns(schema.names)
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    file = pq.ParquetFile(path, read_dictionary=texts)
    _check_unpacked(file, path.stat().st_size)
    return list(schema.names), _rows(file, schema, whole)


def _check_unpacked(file: "pq.ParquetFile", size: int) -> None:
    metadata = file.metadata
    most = FREE_ROWS + size // BYTES_PER_ROW
    if metadata.num_rows > most:
        raise TooMuch(f"has {metadata.num_rows} rows in {size} bytes; at most {most} can be read: leave out empty rows")
    unpacked = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    most = FREE_BYTES + UNPACKED_PER_BYTE * size
    if unpacked > most:
        raise TooMuch(
            f"would take {unpacked / MIB:.0f} MB unpacked; at most {most / MIB:.0f} MB can be read from a file of this "
            "length: write it anew without compression"
        )


def _rows(file: "pq.ParquetFile", schema: "pa.Schema", whole: Collection[str]) -> Iterator[dict[str, Any]]:
    nested = _left_empty(schema, whole)
    flat = [name for name in schema.names if name not in nested]
    with file:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number, columns=flat)
            columns = [_values(table.column(name)) for name in flat]
            rows = zip(*columns, strict=True) if flat else iter([()] * file.metadata.row_group(number).num_rows)
            for row in rows:
                yield {**dict(zip(flat, row, strict=True)), **nested}


def _values(column: "pa.ChunkedArray") -> list[Any]:
    import pyarrow as pa

    found: list[Any] = []
    for chunk in column.chunks:
        if pa.types.is_dictionary(chunk.type):
            texts = chunk.dictionary.to_pylist()
            found += [None if index is None else texts[index] for index in chunk.indices.to_pylist()]
        else:
            found += chunk.to_pylist()
    return found


def arrow_rows(path: Path, *, whole: Collection[str] = ()) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """Return the columns of a file as `save_to_disk` of `datasets` writes it, and its rows, as of a Parquet file.

    It is not packed, so that it takes no more memory than its length says. Raises TooMuch, and what pyarrow raises.
    """
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        schema = pa.ipc.open_stream(source).schema
    check_columns(schema.names)
    return list(schema.names), _arrow_rows(path, schema, whole)


def _arrow_rows(path: Path, schema: "pa.Schema", whole: Collection[str]) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    nested = _left_empty(schema, whole)
    flat = [name for name in schema.names if name not in nested]
    with pa.memory_map(str(path)) as source:
        for batch in pa.ipc.open_stream(source):
            rows = (
                zip(*(batch.column(name).to_pylist() for name in flat), strict=True)
                if flat
                else iter([()] * len(batch))
            )
            for row in rows:
                yield {**dict(zip(flat, row, strict=True)), **nested}


def _left_empty(schema: "pa.Schema", whole: Collection[str]) -> dict[str, Any]:
    """Return what rows hold in the columns of lists and mappings that nothing reads."""
    import pyarrow as pa

    return {
        field.name: {} if pa.types.is_struct(field.type) else []
        for field in schema
        if field.type.num_fields and field.name not in whole
    }
