"""Preference pairs as files hold them: each split read, checked and freed of repeated rows. Pure: rows in, pairs out.

Texts are kept exactly as they stand. A pair's key looks past white space at the ends and past which side was chosen, so
that the same pair is known again wherever it comes from.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from modelhub.files.pairs import DIRECTIONS, Columns, pair_key, persona_column
from modelhub.files.records import Record

Personas = tuple[str, str]
"""The persona of the chosen and that of the rejected response, "" where there is none."""


@dataclass(frozen=True)
class PreferenceRow:
    """One pair of a split. `row` counts from 1; responses may be empty in test sets."""

    place: str
    row: int
    key: str
    prompt: str
    chosen: str
    rejected: str
    gold: Personas
    retrieved: Personas

    @property
    def sha256(self) -> str:
        return pair_sha256(self.prompt, self.chosen, self.rejected)


@dataclass
class SplitRows:
    """A split without its repeated rows. The lists say by place what a person should know; `problems` forbid it."""

    name: str
    rows: list[PreferenceRow] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    identical: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def pair_sha256(prompt: str, chosen: str, rejected: str) -> str:
    """Return the SHA-256, in hex, over the three texts as a JSON list in UTF-8."""
    content = json.dumps([prompt, chosen, rejected], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8")).hexdigest()


def split_digest(sha256s: Iterable[str]) -> str:
    """Return one SHA-256 for all pairs of a split, whatever their order: over their own, sorted, one a line."""
    return hashlib.sha256("".join(f"{sha256}\n" for sha256 in sorted(sha256s)).encode("ascii")).hexdigest()


def read_split(name: str, records: Sequence[Record], columns: Columns, *, allow_empty: bool) -> SplitRows:
    """Return the pairs of a split in the order of its rows, each once, with everything that is to be said of them.

    Of rows that repeat a pair the first stands, also where a later one says that the other side was chosen. A row whose
    sides say the same prefers nothing to anything, and is none of the pairs.
    """
    split = SplitRows(name)
    split.problems += _column_problems(records, columns)
    if split.problems:
        return split
    first: dict[str, PreferenceRow] = {}
    for number, record in enumerate(records, start=1):
        row = _row(record, number, columns, split)
        if row is None:
            continue
        if row.chosen and row.chosen.strip() == row.rejected.strip():
            split.identical.append(f"{row.place}: {columns.chosen!r} and {columns.rejected!r} say the same.")
            continue
        _note_empty(row, columns, split, allow_empty=allow_empty)
        there = first.setdefault(row.key, row)
        if there is row:
            split.rows.append(row)
        else:
            _note_repeated(row, there, split)
    return split


def is_swapped(chosen: str, other_chosen: str) -> bool:
    """Return whether two rows of one pair, each given by its chosen side, disagree about which side was chosen."""
    return chosen.strip() != other_chosen.strip()


def _column_problems(records: Sequence[Record], columns: Columns) -> list[str]:
    """A column that no row has is a wrong name, not an empty side."""
    names = {name for record in records for name in record.values}
    if {"direction", "persona"} <= names:
        message = "has columns direction and persona, one row per persona; bring one row per pair, with chosen_persona"
        return [f"{records[0].place}: {message} and rejected_persona."]
    wanted = {"prompt": columns.prompt, "chosen": columns.chosen, "rejected": columns.rejected}
    if len(set(wanted.values())) < len(wanted):
        return [
            f"{records[0].place}: prompt, chosen and rejected must be three columns, not {', '.join(wanted.values())}."
        ]
    return [
        f"{records[0].place}: no row has a column {name!r}; there are {', '.join(sorted(names))}. Name the right one "
        f"with --{option}-column."
        for option, name in wanted.items()
        if name not in names
    ]


def _row(record: Record, number: int, columns: Columns, split: SplitRows) -> PreferenceRow | None:
    """Return the row, or None after adding what is wrong with it to the problems."""
    before = len(split.problems)
    prompt, chosen, rejected = (
        _text(record, name, split) for name in (columns.prompt, columns.chosen, columns.rejected)
    )
    gold, retrieved = (_personas(record, source, split) for source in ("gold", "retrieved"))
    if not prompt.strip() and len(split.problems) == before:
        split.problems.append(f"{record.place}: {columns.prompt!r} is empty; every pair needs a prompt.")
    if len(split.problems) > before:
        return None
    key = pair_key(prompt.strip(), chosen.strip(), rejected.strip())
    return PreferenceRow(
        record.place, number, key, prompt, _side(chosen), _side(rejected), gold=gold, retrieved=retrieved
    )


def _side(text: str) -> str:
    """Return the text as it is; blanks alone are no response."""
    return text if text.strip() else ""


def _text(record: Record, name: str, split: SplitRows) -> str:
    value = record.values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        split.problems.append(f"{record.place}: {name!r} must be text, not {type(value).__name__}.")
        return ""
    if "\x00" in value or not _is_unicode(value):
        split.problems.append(f"{record.place}: {name!r} holds a character that cannot be stored; remove it.")
        return ""
    return value


def _is_unicode(text: str) -> bool:
    """Return whether the text can be written as UTF-8: JSON may hold halves of characters."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _personas(record: Record, source: str, split: SplitRows) -> Personas:
    columns = [persona_column(record.values, direction, source) for direction in DIRECTIONS]
    chosen, rejected = (_text(record, name, split).strip() if name else "" for name in columns)
    return chosen, rejected


def _note_empty(row: PreferenceRow, columns: Columns, split: SplitRows, *, allow_empty: bool) -> None:
    empty = [name for name, text in ((columns.chosen, row.chosen), (columns.rejected, row.rejected)) if not text]
    if not empty:
        return
    said = f"{row.place}: {' and '.join(repr(name) for name in empty)} {'are' if len(empty) > 1 else 'is'} empty"
    split.empty.append(f"{said}.")
    if not allow_empty:
        split.problems.append(f"{said}; --allow-empty takes such rows, as test sets of prompts alone have them.")


def _note_repeated(row: PreferenceRow, first: PreferenceRow, split: SplitRows) -> None:
    if is_swapped(row.chosen, first.chosen):
        split.contradictions.append(
            f"{row.place}: the pair of {first.place} with its sides swapped; what was chosen there stands."
        )
        return
    differs = (row.gold, row.retrieved) != (first.gold, first.retrieved)
    split.duplicates.append(
        f"{row.place}: the same pair as {first.place}{', with other personas, which are left out' if differs else ''}."
    )
