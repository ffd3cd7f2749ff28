"""Read preference pairs and the personas inferred from them, from files of the pipeline. Pure: rows in, pairs out.

Two forms are read. *Wide*: one row per pair, with a column for the persona of either response. *Long*: one row per
persona, with a column `direction` that says which response it explains.
"""

import hashlib
import json
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelhub.files.records import Record

DIRECTIONS = ("chosen", "rejected")
# Names of the systems that the arms are bound to: which response of a pair stands in which arm.
RESPONSES = {"chosen": "chosen response", "rejected": "rejected response"}
SOURCES = ("gold", "retrieved")
# Endings of the columns `chosen_persona…` and `rejected_persona…` in the wide form, the first that is there counts.
_ENDINGS = {"gold": ("", "_gold"), "retrieved": ("_retr", "_retrieved")}
_STRATUM = ("stratum", "dataset")
_SYSTEM = ("inferring_system", "system")


@dataclass(frozen=True)
class Columns:
    """Which columns hold the pair, and what holds where a row does not say."""

    prompt: str = "prompt"
    chosen: str = "chosen"
    rejected: str = "rejected"
    source: str = "gold"
    system: str = ""
    stratum: str = ""


@dataclass(frozen=True)
class PersonaRow:
    """One inferred persona, where it was read, and what participants must not know about it."""

    place: str
    text: str
    direction: str
    source: str
    system: str


@dataclass
class Pair:
    """A prompt with both responses and the personas inferred from them."""

    key: str
    prompt: str
    chosen: str
    rejected: str
    stratum: str
    personas: list[PersonaRow] = field(default_factory=list)
    answer_start: str = ""


def read_pairs(
    records: Sequence[Record], columns: Columns, *, limit: int | None = None
) -> tuple[list[Pair], list[str]]:
    """Return the pairs in the order of the rows, the first `limit` of them, and everything that is wrong."""
    pairs: dict[str, Pair] = {}
    problems: list[str] = []
    for record in records:
        missing = [
            f"{record.place}: {name!r} is missing or empty."
            for name in (columns.prompt, columns.chosen, columns.rejected)
            if not _text(record, name)
        ]
        if missing:
            problems += missing
            continue
        pair = _pair(record, columns)
        if pair.chosen == pair.rejected:
            problems.append(f"{record.place}: {columns.chosen!r} and {columns.rejected!r} say the same.")
            continue
        if limit is not None and len(pairs) >= limit and pair.key not in pairs:
            continue
        pair = pairs.setdefault(pair.key, pair)
        for row in _personas(record, columns):
            problem = row if isinstance(row, str) else _add(pair, row)
            if problem:
                problems.append(problem)
    return list(pairs.values()), problems


def pair_key(prompt: str, chosen: str, rejected: str) -> str:
    """Return 12 hex digits that name a pair by what it says; the order of the responses is not to be seen in it."""
    content = json.dumps([prompt, *sorted([chosen, rejected])], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8")).hexdigest()[:12]


def persona_column(names: Container[str], direction: str, source: str) -> str:
    """Return the name of the column with the personas of this direction and source, "" if there is none."""
    wanted = [f"{direction}_persona{ending}" for ending in _ENDINGS[source]]
    return next((name for name in wanted if name in names), "")


def _pair(record: Record, columns: Columns) -> Pair:
    prompt, chosen, rejected = (_text(record, name) for name in (columns.prompt, columns.chosen, columns.rejected))
    stratum = _first(record, _STRATUM) or columns.stratum
    return Pair(pair_key(prompt, chosen, rejected), prompt, chosen, rejected, stratum)


def _personas(record: Record, columns: Columns) -> Iterator[PersonaRow | str]:
    """Yield the personas of a row, or what is wrong with it."""
    system = _first(record, _SYSTEM) or columns.system
    if "direction" in record.values:
        yield from _long(record, columns, system)
        return
    found = {direction: persona_column(record.values, direction, columns.source) for direction in DIRECTIONS}
    if not any(found.values()):
        wanted = " or ".join(f"{direction}_persona{ending}" for direction in DIRECTIONS
                             for ending in _ENDINGS[columns.source])  # fmt: skip
        yield f"{record.place}: has no column {wanted}, and none called direction with persona."
    for direction, name in found.items():
        if name and not _text(record, name):
            yield f"{record.place}: {name!r} is empty."
        elif name:
            yield PersonaRow(record.place, _text(record, name), direction, columns.source, system)


def _long(record: Record, columns: Columns, system: str) -> Iterator[PersonaRow | str]:
    direction, text = _text(record, "direction"), _text(record, "persona")
    source = _text(record, "source") or columns.source
    if direction not in DIRECTIONS:
        yield f"{record.place}: direction must be {' or '.join(DIRECTIONS)}, not {direction!r}."
    elif source not in SOURCES:
        yield f"{record.place}: source must be {' or '.join(SOURCES)}, not {source!r}."
    elif not text:
        yield f"{record.place}: 'persona' is missing or empty."
    else:
        yield PersonaRow(record.place, text, direction, source, system)


def _add(pair: Pair, row: PersonaRow) -> str | None:
    """Add a persona to its pair, once; return what is wrong if the same condition has another text."""
    condition = (row.direction, row.source, row.system)
    for other in pair.personas:
        if (other.direction, other.source, other.system) == condition:
            return (
                None if other.text == row.text else f"{row.place}: {other.place} has another {row.direction} persona."
            )
    pair.personas.append(row)
    return None


def _first(record: Record, names: Sequence[str]) -> str:
    return next((text for name in names if (text := _text(record, name))), "")


def _text(record: Record, name: str) -> str:
    value: Any = record.values.get(name)
    return value.strip() if isinstance(value, str) else ""
