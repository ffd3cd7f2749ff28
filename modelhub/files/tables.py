"""Read the plain tables that the statistics commands take. Every mistake names its row and column."""

import json
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from annotation.errors import ServiceError
from annotation.fields import is_blank
from annotation.rowfiles import Record, RowFile, RowProblem
from modelhub.files.missing import Markers, is_failed
from modelhub.stats.effects import PairedRating
from modelhub.stats.ratings import Level, Ratings, Value, make_ratings
from modelhub.stats.winrate import ORDERS, PERSONALIZATION, QUALITY, Verdict

VERDICTS = ("A", "B", "tie", None)
# Items times values that a table of counts may have: 400 MB.
_MOST_CELLS = 50_000_000
_NAMES = ("pair_id", "set", "cluster", "pair")


class TableError(ServiceError):
    """A table that cannot be used. The message names file, line and column."""


def read_ratings(
    path: Path, *, level: Level, domain: Sequence[str] | None, markers: Markers | None = None
) -> tuple[Ratings, bool]:
    """Return the ratings of a CSV with columns rater, item, value, and whether the domain had to be inferred.

    What `markers` take for missing is no rating, unless the domain names it. Other columns are ignored.

    Raises:
        TableError: the first thing that is wrong.
    """
    markers = markers or Markers()
    declared = None if domain is None else _domain(domain, level)
    markers.keeping(domain or ())
    raters, items, values = [], [], []
    seen: dict[tuple[str, str], str] = {}
    for row, (rater, item, text) in _rows(path, ("rater", "item", "value")):
        where = f"{path}: {row}"
        _refuse_missing(where, markers, rater=rater, item=item)
        if (rater, item) in seen:
            first = seen[rater, item]
            raise TableError(f"{where}, columns rater and item: {rater!r} has rated {item!r} already, in {first}")
        seen[rater, item] = row
        if markers.count(text):
            continue
        value = _value(text, level, f"{where}, column value")
        if declared is not None and value not in declared:
            raise TableError(f"{where}, column value: {text!r} is not one of {', '.join(domain or [])}")
        raters.append(rater)
        items.append(item)
        values.append(value)
    known = declared if declared is not None else list(set(values))
    if len(known) * len(set(items)) > _MOST_CELLS:
        raise TableError(f"{path}: column value: {len(known)} different values are too many for {level}; round them")
    ordered = sorted(known, key=lambda value: (isinstance(value, str), value))
    return make_ratings(raters, items, values, level=level, domain=ordered), declared is None


def read_pairs(
    path: Path, *, base: str | None = None, markers: Markers | None = None
) -> tuple[list[PairedRating], str, str, int]:
    """Return the complete pairs of a CSV with columns participant, item, system, value, and what they compare.

    What `markers` take for missing is no rating.

    Returns:
        (pairs, base system, test system, number of ratings whose counterpart is missing). Without `base` the systems
        are taken in alphabetical order.

    Raises:
        TableError: the first thing that is wrong; among it, other than two systems.
    """
    markers = markers or Markers()
    cells: dict[tuple[str, str], dict[str, Fraction]] = {}
    systems: dict[str, str] = {}
    for row, (participant, item, system, text) in _rows(path, ("participant", "item", "system", "value")):
        where = f"{path}: {row}"
        _refuse_missing(where, markers, participant=participant, item=item, system=system)
        systems.setdefault(system, row)
        cell = cells.setdefault((participant, item), {})
        if system in cell:
            raise TableError(f"{where}, column system: {participant!r} has rated {system!r} on {item!r} already")
        if not markers.count(text):
            _value(text, Level.INTERVAL, f"{where}, column value")
            cell[system] = Fraction(text)
    first, second = _two_systems(path, systems, base)
    pairs = [
        PairedRating(participant, item, base=cell[first], test=cell[second])
        for (participant, item), cell in cells.items()
        if first in cell and second in cell
    ]
    single = sum(len(cell) == 1 for cell in cells.values())
    return pairs, first, second, single


def read_verdicts(
    path: Path, *, metrics: Sequence[str] = (PERSONALIZATION, QUALITY), markers: Markers | None = None
) -> dict[str, list[Verdict]]:
    """Return the verdicts of a JSONL file by `set` ("" where there is none); see the win_rates command for the form.

    `metrics` are those that may be judged. What `markers` take for missing is no verdict, and names no set or cluster.

    Raises:
        TableError: a line is not as described, or a verdict is given twice.
    """
    markers = markers or Markers()
    sets: dict[str, list[Verdict]] = {}
    seen: set[tuple[str, ...]] = set()
    clusters: dict[tuple[str, str], str] = {}
    for record in _records(RowFile(path, read_as=".jsonl")):
        where = f"{path}: {_at(record)}"
        name, verdict = _verdict(_less_missing(record.values, markers), where, metrics)
        key = (name, verdict.pair_id, verdict.metric, verdict.order)
        if key in seen:
            raise TableError(f"{where}: a second verdict for {', '.join(key)}")
        seen.add(key)
        if clusters.setdefault(key[:2], verdict.cluster) != verdict.cluster:
            raise TableError(
                f"{where}, cluster: {verdict.pair_id} is of {verdict.cluster or 'none'} here and of "
                f"{clusters[key[:2]] or 'none'} before; a pair belongs to one"
            )
        sets.setdefault(name, []).append(verdict)
    return sets


def _verdict(row: dict[str, Any], where: str, metrics: Sequence[str]) -> tuple[str, Verdict]:
    allowed = {"metric": tuple(metrics), "order": ORDERS, "verdict": VERDICTS}
    for name in ("pair_id", *allowed):
        if name not in row:
            raise TableError(f"{where}: {name} is missing")
        if name in allowed and row[name] not in allowed[name]:
            choices = ", ".join(json.dumps(choice) for choice in allowed[name])
            raise TableError(f"{where}, {name}: {json.dumps(row[name])} is none of {choices}")
    if row["pair_id"] is None:
        raise TableError(
            f"{where}, pair_id: is empty or stands for what is missing; if it is a name, give it to --keep"
        )
    cluster = row.get("cluster") or row.get("pair") or ""
    verdict = Verdict(str(row["pair_id"]), row["metric"], row["order"], row["verdict"], str(cluster))
    return str(row.get("set") or ""), verdict


def _less_missing(row: dict[str, Any], markers: Markers) -> dict[str, Any]:
    """Return a row of verdicts with null for what is missing."""

    def is_missing(name: str, value: Any) -> bool:
        if name == "verdict":
            return markers.count("null" if value is None else str(value))
        return name in _NAMES and markers.mean(str(value))

    return {name: None if is_missing(name, value) else value for name, value in row.items()}


def _domain(domain: Sequence[str], level: Level) -> list[Value]:
    where = f"--domain {','.join(domain)}"
    if "" in domain:
        raise TableError(f"{where}: one of its values is empty")
    declared = [_value(text, level, where) for text in domain]
    if len(set(declared)) != len(declared):
        raise TableError("--domain names a value twice")
    return declared


def _two_systems(path: Path, systems: dict[str, str], base: str | None) -> tuple[str, str]:
    if len(systems) != 2:
        found = ", ".join(f"{name!r} ({row})" for name, row in list(systems.items())[:5]) or "none"
        raise TableError(f"{path}: column system must name two systems; found {len(systems)}: {found}")
    first, second = sorted(systems)
    if base is None:
        return first, second
    if base not in systems:
        raise TableError(f"{path}: column system has {first!r} and {second!r}, not {base!r}")
    return base, second if base == first else first


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield where each row stands, and what it says in these columns."""
    file = RowFile(path, read_as=".csv")
    for record in _records(file):
        _check_columns(file, columns)
        cells = (record.values.get(name) for name in columns)
        yield _at(record), tuple("" if cell is None else str(cell).strip() for cell in cells)
    _check_columns(file, columns)


def _check_columns(file: RowFile, columns: tuple[str, ...]) -> None:
    if missing := [name for name in columns if name not in file.columns]:
        found = ", ".join(file.columns) or "nothing"
        raise TableError(f"{file.path}: line 1: no column {', '.join(missing)}; found {found}")


def _records(file: RowFile) -> Iterator[Record]:
    for row in file.rows():
        if isinstance(row, RowProblem):
            raise TableError(row.told(str(file.path)))
        yield row


def _at(record: Record) -> str:
    return f"line {record.at}" if isinstance(record.at, int) else str(record.at)


def _value(text: str, level: Level, where: str) -> Value:
    if is_failed(text):
        raise TableError(f"{where}: {text!r} is a spreadsheet's error; put right what it shows, or leave it empty")
    if level == Level.NOMINAL:
        return text
    try:
        number = float(text if "_" not in text else "")  # Python alone reads 1_0 as ten
    except ValueError as error:
        raise TableError(f"{where}: {text!r} is not a number, which the {level} level needs") from error
    if not math.isfinite(number):
        raise TableError(f"{where}: {text!r} is not a finite number")
    if level == Level.RATIO and number < 0:
        raise TableError(f"{where}: {text!r} is negative, which no value of a ratio scale is")
    return int(number) if number.is_integer() else number


def _refuse_missing(where: str, markers: Markers, **cells: str) -> None:
    for column, text in cells.items():
        if is_blank(text):
            raise TableError(f"{where}, column {column}: is empty")
        if markers.mean(text):
            raise TableError(
                f"{where}, column {column}: {text!r} stands for what is missing; if it is a name, give --keep {text}"
            )
