"""Try to tell arms apart by anything but their texts: order, place, time, length, number. Pure.

A *clue* compares two arms of one study and says which of them comes first by something: -1 the first, 1 the second, 0
neither. A clue that names the right arm much more often, or much less often, than a coin would is a leak.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from math import comb
from statistics import fmean
from typing import Any

Row = Mapping[str, Any]
Clues = dict[str, int]
# Chance that any clue at all is taken for a leak where there is none.
FAMILY_LEVEL = 0.01


class Leaks:
    """Counts, for every clue, how often it was right."""

    def __init__(self) -> None:
        self.right: Counter[str] = Counter()
        self.said: Counter[str] = Counter()

    def note(self, clues: Clues, *, truth: int, of: str) -> None:
        """Count the clues of one study; `truth` is what a clue that is right says, -1 or 1, about the label `of`."""
        for name, says in clues.items():
            if says:
                self.said[f"{of} by {name}"] += 1
                self.right[f"{of} by {name}"] += says == truth

    def found(self) -> list[str]:
        """Return the clues that beat a coin, with how often they were right; one that is always wrong beats it too."""
        level = FAMILY_LEVEL / max(len(self.said), 1)
        return [
            f"{name}: right {self.right[name]} of {said} times"
            for name, said in sorted(self.said.items())
            if two_sided(self.right[name], said) < level
        ]


def two_sided(right: int, said: int) -> float:
    """Return the exact binomial probability, against a coin, of a result at least as far from half."""
    far = max(right, said - right)
    tail = sum(comb(said, number) for number in range(far, said + 1)) / 2**said
    return min(1.0, 2 * tail)


def compare(one: Any, other: Any) -> int:
    """Return which of two values comes first; 0 where they are equal or of different kinds."""
    if one is None or other is None or type(one) is not type(other) or one == other:
        return 0
    return -1 if one < other else 1


def text_clues(name: str, text: str, codes: Sequence[str]) -> Clues:
    """Return what the places of two codes in a document say: the first, the last, and how many there are."""
    one, other = codes
    if one not in text and other not in text:
        return {}
    clues = {
        "first place": compare(text.find(one) % (len(text) + 1), text.find(other) % (len(text) + 1)),
        "last place": compare(text.rfind(one), text.rfind(other)),
        "number of places": compare(text.count(one), text.count(other)),
    }
    return {f"{clue} in {name}": says for clue, says in clues.items()}


def table_clues(name: str, rows: Sequence[Row], codes: Sequence[str]) -> Clues:
    """Return what the rows that name one arm say against those that name the other, by every column of the table."""
    clues: Clues = {}
    columns = list(rows[0]) if rows else []
    for by in columns:
        groups = [[(n, row) for n, row in enumerate(rows) if row[by] == code] for code in codes]
        if not any(groups):
            continue
        clues[f"{name}: rows by {by}"] = compare(*map(len, groups))
        if all(groups):
            clues[f"{name}: row numbers by {by}"] = compare(*(fmean(n for n, _ in group) for group in groups))
            for column in columns:
                if column != by:
                    clues |= _column_clues(f"{name}: {column} by {by}", column, groups)
    return clues | _wide_clues(name, rows, codes)


def _column_clues(name: str, column: str, groups: Sequence[Sequence[tuple[int, Row]]]) -> Clues:
    cells = [[row[column] for _, row in group] for group in groups]
    clues = {f"share that is empty, {name}": compare(*(fmean(cell in (None, "") for cell in some) for some in cells))}
    for kind, read in (("mean", _number), ("length", _length)):
        values = [[value for cell in some if (value := read(cell)) is not None] for some in cells]
        if all(values):
            clues[f"{kind}, {name}"] = compare(*map(fmean, values))
            clues[f"least {kind}, {name}"] = compare(*map(min, values))
            clues[f"greatest {kind}, {name}"] = compare(*map(max, values))
    clues[f"within units, {name}"] = _within_units(column, groups)
    return clues


def _within_units(column: str, groups: Sequence[Sequence[tuple[int, Row]]]) -> int:
    """Return which arm comes first in most units, where each has a row of both."""
    units: list[defaultdict[Any, list[Any]]] = [defaultdict(list), defaultdict(list)]
    for unit, group in zip(units, groups, strict=True):
        for _, row in group:
            unit[row.get("assignment") or row.get("persona")].append(_comparable(row[column]))
    votes = sum(
        compare(one, other)
        for key in units[0].keys() & units[1].keys()
        for one, other in zip(units[0][key], units[1][key], strict=False)
    )
    return compare(votes, 0)


def _wide_clues(name: str, rows: Sequence[Row], codes: Sequence[str]) -> Clues:
    """Return what columns that name an arm say: `position.CODE` against `position.CODE`."""
    columns = list(rows[0]) if rows else []
    pairs = [(column, column.replace(codes[0], codes[1])) for column in columns if codes[0] in column]
    clues: Clues = {}
    for one, other in pairs:
        what = one.replace(codes[0], "ARM")
        values = [[number for row in rows if (number := _number(row[column])) is not None] for column in (one, other)]
        clues[f"{name}: {what} filled"] = compare(*map(len, values))
        if all(values):
            clues[f"{name}: mean {what}"] = compare(*map(fmean, values))
            clues[f"{name}: first {what}"] = compare(values[0][0], values[1][0])
    return clues


def document_clues(name: str, value: Any, codes: Sequence[str]) -> Clues:
    """Return what a JSON document says: the order in which it names the arms, and how often."""
    return text_clues(name, json.dumps(value, default=str), codes)


def _number(cell: Any) -> float | None:
    if isinstance(cell, datetime):
        return cell.timestamp()
    if isinstance(cell, bool | int | float):
        return float(cell)
    if isinstance(cell, str) and cell.isascii() and cell.isdigit():  # CSV knows no numbers
        return float(cell)
    with_time = isinstance(cell, str) and cell[:4].isdigit() and cell.endswith("Z")
    return datetime.fromisoformat(cell).timestamp() if with_time else None


def _comparable(cell: Any) -> Any:
    number = _number(cell)
    return cell if number is None else number


def _length(cell: Any) -> float | None:
    return float(len(cell)) if isinstance(cell, str) else None


def side_clues(sides: Sequence[int]) -> Iterator[tuple[Clues, int]]:
    """Yield what earlier sides say of each later one, and what it was: -1 left, 1 right, for one of two arms."""
    for part in range(1, len(sides)):
        before, last = sides[:part], sides[part - 1]
        yield (
            {
                "another side than last": -last,
                "another side than in most parts before": compare(sum(before), 0) * -1,
                "another side than first": -before[0],
                "another side than two parts ago": -before[-2] if part > 1 else 0,
                "the end of a pair": -last if part % 2 else 0,
                "the end of a run of two": -last if part > 1 and before[-2] == last else 0,
            },
            sides[part],
        )


def joined(parts: Iterable[Clues]) -> Clues:
    """Return all clues of a study in one."""
    return {name: says for part in parts for name, says in part.items()}
