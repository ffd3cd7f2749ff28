"""A file with a wave of items: columns as items have them, and `response_1` and so on for arms without a system."""

from collections.abc import Sequence
from pathlib import Path

from annotation.bringing import guessed_columns, in_fields, items_of, read_brought
from annotation.errors import ServiceError
from annotation.fields import check_text
from annotation.models import Upload
from annotation.rowfiles import Record
from annotation.studyfile import ItemDefinition
from annotation.studyfile.schema import MAX_ARMS

_RESPONSES = {f"response_{number}": number for number in range(1, MAX_ARMS + 1)}


def read_wave(path: Path) -> tuple[list[ItemDefinition], dict[tuple[str, int], str]]:
    """Return the items of a file, and the responses that came with them, by item and number of the arm.

    Raises:
        ServiceError: everything that is wrong with the file, by its lines.
    """
    brought = read_brought(path)
    columns = guessed_columns(Upload.Kind.ITEMS, [name for name in brought.columns if name not in _RESPONSES])
    items, problems = items_of(in_fields(brought.records, columns))
    responses, wrong = _responses(brought.records, items) if not problems else ({}, [])
    if found := [*brought.problems, *problems, *wrong]:
        raise ServiceError("\n".join(["Nothing was added:", *(f"- {problem}" for problem in found)]))
    return items, responses


def _responses(
    records: Sequence[Record], items: Sequence[ItemDefinition]
) -> tuple[dict[tuple[str, int], str], list[str]]:
    found, problems = {}, []
    for record, item in zip(records, items, strict=True):
        for column, number in _RESPONSES.items():
            text = record.values.get(column)
            if text is None or text == "":
                continue
            try:
                found[item.key, number] = check_text(text)
            except ValueError as error:
                problems.append(f"{record.place}: {column} {error}.")
    return found, problems
