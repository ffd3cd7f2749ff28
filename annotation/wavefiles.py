"""A file with a wave of items: columns as items have them, and `response_1` and so on for arms without a system."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from annotation.bringing import guessed_columns, in_fields, items_of, read_brought
from annotation.errors import ServiceError
from annotation.fields import check_text
from annotation.models import Upload
from annotation.rowfiles import ENDINGS, Record, ending_of
from annotation.studyfile import ItemDefinition
from annotation.studyfile.items import IMAGE_FIELDS
from annotation.studyfile.schema import MAX_ARMS
from annotation.studyfile.uploads import unpack

_RESPONSES = {f"response_{number}": number for number in range(1, MAX_ARMS + 1)}


def read_wave(path: Path) -> tuple[list[ItemDefinition], dict[tuple[str, int], str]]:
    """Return the items of a file, and the responses that came with them, by item and number of the arm.

    Images lie beside the file, or with it in an archive.

    Raises:
        ServiceError: everything that is wrong with the file, by its lines.
    """
    if path.suffix.lower() != ".zip":
        return _read(path)
    with TemporaryDirectory() as made, path.open("rb") as file:
        folder = Path(made).resolve()
        unpack(path.name, file, folder)
        return _read(_rows_of(path.name, folder))


def _rows_of(name: str, folder: Path) -> Path:
    """Return the one file with rows that an archive holds."""
    found = [path for path in sorted(folder.rglob("*")) if ending_of(path) and path.is_file()]
    found = [path for path in found if "__MACOSX" not in path.parts]
    if len(found) != 1:
        there = ", ".join(str(path.relative_to(folder)) for path in found) or "none"
        raise ServiceError(f"{name} must hold one file with items ({', '.join(ENDINGS)}); found: {there}.")
    return found[0]


def _read(path: Path) -> tuple[list[ItemDefinition], dict[tuple[str, int], str]]:
    brought = read_brought(path)
    columns = guessed_columns(Upload.Kind.ITEMS, [name for name in brought.columns if name not in _RESPONSES])
    columns |= {name: name for name in sorted(IMAGE_FIELDS) if name in brought.columns}
    items, problems = items_of(in_fields(brought.records, columns), path.parent)
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
