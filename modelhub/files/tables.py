"""Read the plain tables that the statistics commands take. Every mistake names its row and column."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from annotation.errors import ServiceError
from annotation.parsing import TooMuch, json_value
from modelhub.stats.effects import PairedRating
from modelhub.stats.ratings import Level, Ratings, Value, make_ratings
from modelhub.stats.winrate import ORDERS, PERSONALIZATION, QUALITY, Verdict

VERDICTS = ("A", "B", "tie", None)
# Items times values that a table of counts may have: 400 MB.
_MOST_CELLS = 50_000_000


class TableError(ServiceError):
    """A table that cannot be used. The message names file, row (the header is row 1) and column."""


def read_ratings(path: Path, *, level: Level, domain: Sequence[str] | None) -> tuple[Ratings, bool]:
    """Return the ratings of a CSV with columns rater, item, value, and whether the domain had to be inferred.

    An empty value is a missing rating. Other columns are ignored.

    Raises:
        TableError: the first thing that is wrong.
    """
    declared = None if domain is None else [_value(text, level, f"--domain {','.join(domain)}") for text in domain]
    if declared is not None and len(set(declared)) != len(declared):
        raise TableError("--domain names a value twice")
    raters, items, values = [], [], []
    seen: dict[tuple[str, str], int] = {}
    for row, (rater, item, text) in _rows(path, ("rater", "item", "value")):
        where = f"{path}: row {row}"
        _refuse_blank(where, rater=rater, item=item)
        if (rater, item) in seen:
            first = seen[rater, item]
            raise TableError(f"{where}, columns rater and item: {rater!r} has rated {item!r} already, in row {first}")
        seen[rater, item] = row
        if text == "":
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


def read_pairs(path: Path, *, base: str | None = None) -> tuple[list[PairedRating], str, str, int]:
    """Return the complete pairs of a CSV with columns participant, item, system, value, and what they compare.

    Returns:
        (pairs, base system, test system, number of ratings whose counterpart is missing). Without `base` the systems
        are taken in alphabetical order.

    Raises:
        TableError: the first thing that is wrong; among it, other than two systems.
    """
    cells: dict[tuple[str, str], dict[str, Fraction]] = {}
    systems: dict[str, int] = {}
    for row, (participant, item, system, text) in _rows(path, ("participant", "item", "system", "value")):
        where = f"{path}: row {row}"
        _refuse_blank(where, participant=participant, item=item, system=system)
        systems.setdefault(system, row)
        cell = cells.setdefault((participant, item), {})
        if system in cell:
            raise TableError(f"{where}, column system: {participant!r} has rated {system!r} on {item!r} already")
        if text != "":
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


def read_verdicts(path: Path, *, metrics: Sequence[str] = (PERSONALIZATION, QUALITY)) -> dict[str, list[Verdict]]:
    """Return the verdicts of a JSONL file by `set` ("" where there is none); see the win_rates command for the form.

    `metrics` are those that may be judged.

    Raises:
        TableError: a line is not as described, or a verdict is given twice.
    """
    sets: dict[str, list[Verdict]] = {}
    seen: set[tuple[str, ...]] = set()
    clusters: dict[tuple[str, str], str] = {}
    for number, line in enumerate(_text(path).split("\n"), start=1):  # splitlines would cut at U+2028 in a string
        if not line.strip():
            continue
        name, verdict = _verdict(line, f"{path}: line {number}", metrics)
        key = (name, verdict.pair_id, verdict.metric, verdict.order)
        if key in seen:
            raise TableError(f"{path}: line {number}: a second verdict for {', '.join(key)}")
        seen.add(key)
        if clusters.setdefault(key[:2], verdict.cluster) != verdict.cluster:
            raise TableError(
                f"{path}: line {number}, cluster: {verdict.pair_id} is of {verdict.cluster or 'none'} here and of "
                f"{clusters[key[:2]] or 'none'} before; a pair belongs to one"
            )
        sets.setdefault(name, []).append(verdict)
    return sets


def _verdict(line: str, where: str, metrics: Sequence[str]) -> tuple[str, Verdict]:
    try:
        row = json_value(line)
    except json.JSONDecodeError as error:
        raise TableError(f"{where}: not JSON: {error.msg}") from error
    except TooMuch as error:
        raise TableError(f"{where}: {error}") from error
    if not isinstance(row, dict):
        raise TableError(f"{where}: expected an object, found {line[:40]}")
    allowed = {"metric": tuple(metrics), "order": ORDERS, "verdict": VERDICTS}
    for name in ("pair_id", *allowed):
        if name not in row:
            raise TableError(f"{where}: {name} is missing")
        if name in allowed and row[name] not in allowed[name]:
            choices = ", ".join(json.dumps(choice) for choice in allowed[name])
            raise TableError(f"{where}, {name}: {json.dumps(row[name])} is none of {choices}")
    if row["pair_id"] in (None, ""):
        raise TableError(f"{where}, pair_id: is empty")
    cluster = row.get("cluster") or row.get("pair") or ""
    verdict = Verdict(str(row["pair_id"]), row["metric"], row["order"], row["verdict"], str(cluster))
    return str(row.get("set") or ""), verdict


def _two_systems(path: Path, systems: dict[str, int], base: str | None) -> tuple[str, str]:
    if len(systems) != 2:
        found = ", ".join(f"{name!r} (row {row})" for name, row in list(systems.items())[:5]) or "none"
        raise TableError(f"{path}: column system must name two systems; found {len(systems)}: {found}")
    first, second = sorted(systems)
    if base is None:
        return first, second
    if base not in systems:
        raise TableError(f"{path}: column system has {first!r} and {second!r}, not {base!r}")
    return base, second if base == first else first


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    reader = csv.reader(io.StringIO(_text(path), newline="\n"), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in columns if name not in header]
        if missing:
            found = ", ".join(header) or "nothing"
            raise TableError(f"{path}: row 1: no column {', '.join(missing)}; found {found}")
        twice = [name for name in columns if header.count(name) > 1]
        if twice:
            raise TableError(f"{path}: row 1: two columns are called {twice[0]}; name one of them otherwise")
        places = [header.index(name) for name in columns]
        for number, row in enumerate(reader, start=2):
            if not any(row):
                continue
            if len(row) != len(header):
                raise TableError(f"{path}: row {number}: {len(row)} cells under {len(header)} columns")
            yield number, tuple(row[place].strip() for place in places)
    except csv.Error as error:
        raise TableError(f"{path}: line {reader.line_num}: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: not UTF-8 at byte {error.start}") from error


def _value(text: str, level: Level, where: str) -> Value:
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


def _refuse_blank(where: str, **cells: str) -> None:
    for column, text in cells.items():
        if text == "":
            raise TableError(f"{where}, column {column}: is empty")
