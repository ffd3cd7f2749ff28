"""What a file that was brought says: its rows as items, personas or outputs, and what is wrong with them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from annotation.fields import check_id, check_text, id_key, is_blank
from annotation.models import Upload
from annotation.rowfiles import Record, RowFile, RowProblem
from annotation.rowfiles.formats import in_our_columns
from annotation.studyfile.definition import ItemDefinition, StudyDefinition
from annotation.studyfile.items import NO_OPTIONS, Row, checked_items
from annotation.studyfile.problems import Problem
from annotation.studyfile.schema import ItemFile

Kind = Upload.Kind
# The fields of each kind of file, and those without which a row says nothing.
FIELDS_OF: Mapping[str, tuple[str, ...]] = {
    # Without images, which are files of their own: they are added to items one by one, or come with a study.
    Kind.ITEMS: ("id", "prompt", "persona", "stratum", "warning", "answer_start", "language"),
    Kind.PERSONAS: ("item", "persona"),
    Kind.OUTPUTS: ("item", "prompt", "persona", "text", "arm", "system"),
}
NEEDED: Mapping[str, tuple[str, ...]] = {
    Kind.ITEMS: ("prompt",),
    Kind.PERSONAS: ("item", "persona"),
    Kind.OUTPUTS: ("text",),
}
# What columns are called by others, the likelier names first; case, blanks and underscores do not count.
_CALLED: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "item", "itemid", "promptid", "key", "docid", "qid", "questionid"),
    "item": ("item", "itemid", "id", "promptid", "key", "docid", "qid", "questionid"),
    "prompt": ("prompt", "question", "instruction", "query", "input", "post", "frage", "pregunta"),
    "persona": ("persona", "userpersona", "profile", "systemmessage"),
    "text": ("text", "response", "output", "answer", "completion", "generation", "prediction"),
    "arm": ("arm", "armcode"),
    "system": ("system", "model", "generator", "modelname"),
    "stratum": ("stratum", "dataset", "category", "source"),
    "warning": ("warning", "contentwarning"),
    "answer_start": ("answerstart",),
    "language": ("language", "lang", "locale"),
}


@dataclass
class Brought:
    """A file as it was read: its rows, columns, what is to be told of it, and what could not be read."""

    name: str
    records: list[Record] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_brought(path: Path) -> Brought:
    """Return what a file says, in our columns where it is of a known format of others."""
    file, brought = RowFile(path), Brought(path.name)
    for row in file.rows():
        if isinstance(row, RowProblem):
            brought.problems.append(row.told(path.name))
        else:
            brought.records.append(row)
    if not brought.records and not brought.problems:
        brought.problems.append(f"{path.name}: the file holds no rows.")
    brought.records, told, wrong = in_our_columns(brought.records)
    brought.problems += wrong
    brought.notes = [*file.notes, *told]
    brought.columns = list(dict.fromkeys(name for one in brought.records for name in one.values)) or file.columns
    return brought


def guessed_columns(kind: str, columns: Sequence[str]) -> dict[str, str]:
    """Return which column holds which field, as far as their names say; no column is taken twice."""
    known = {"".join(char for char in name.casefold() if char.isalnum()): name for name in reversed(columns)}
    found: dict[str, str] = {}
    for name in FIELDS_OF[kind]:
        column = next((known[one] for one in _CALLED[name] if one in known and known[one] not in found.values()), "")
        if column:
            found[name] = column
    return found


def in_fields(records: Sequence[Record], columns: Mapping[str, str]) -> list[Record]:
    """Return rows with the values of the chosen columns, by field."""
    return [
        replace(
            record, values={name: record.values[column] for name, column in columns.items() if column in record.values}
        )
        for record in records
    ]


def items_of(records: Sequence[Record], folder: Path | None = None) -> tuple[list[ItemDefinition], list[str]]:
    """Return the items that rows say, by the checks of the study file, and what is wrong with them.

    Images lie in `folder`; without one, rows can only name such as are in the database.
    """
    found: list[Problem] = []
    items = checked_items(_item_rows(records, folder), found)
    return items, [_told(problem) for problem in found]


def _item_rows(records: Sequence[Record], folder: Path | None) -> Iterator[tuple[Row, ItemFile]]:
    return ((Row(record.file, record.at or "", "", record.values, folder), NO_OPTIONS) for record in records)


def _told(problem: Problem) -> str:
    where = (
        f"{problem.file} line {problem.place}" if isinstance(problem.place, int) else f"{problem.file} {problem.place}"
    )
    return f"{where}: {problem.path} {problem.message}."


def personas_of(records: Sequence[Record], definition: StudyDefinition) -> tuple[dict[str, str], list[str]]:
    """Return the persona of each item that rows name, by the item's key, and what is wrong with them."""
    keys = {id_key(item.key): item.key for item in definition.items if item.planted_part is None}
    found: dict[str, tuple[str, str]] = {}
    problems: list[str] = []
    for record in records:
        try:
            key, persona = _persona(record, keys)
        except ValueError as error:
            problems.append(f"{record.place}: {error}.")
            continue
        first, there = found.setdefault(key, (record.place, persona))
        if there != persona:
            problems.append(f"{record.place}: item {key!r} has another persona in {first}.")
    return {key: persona for key, (_, persona) in found.items()}, problems


def _persona(record: Record, keys: Mapping[str, str]) -> tuple[str, str]:
    item, persona = record.values.get("item"), record.values.get("persona")
    if item is None or (isinstance(item, str) and is_blank(item)):
        raise ValueError("item is empty; name the item whose persona this is")
    known_as = check_id(item)
    if id_key(known_as) not in keys:
        raise ValueError(f"the study has no item {known_as!r}")
    if not isinstance(persona, str):
        raise ValueError(f"persona: expected text, found {persona!r}")
    try:
        return keys[id_key(known_as)], check_text(persona)
    except ValueError as error:
        raise ValueError(f"persona {error}") from error
