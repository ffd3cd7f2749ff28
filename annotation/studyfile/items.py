"""Items: the rows of an inline list and of CSV, JSONL or Parquet files, checked one by one."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.fields import check_id, check_line, check_text, id_key, is_blank
from annotation.models import Item
from annotation.prompts_display import join_turns
from annotation.rowfiles import Record, RowFile, RowProblem
from annotation.studyfile.definition import ItemDefinition
from annotation.studyfile.images import read_image
from annotation.studyfile.messages import unknown_key
from annotation.studyfile.problems import Problem
from annotation.studyfile.schema import ItemFile
from annotation.studyfile.text import check_language
from annotation.studyfile.yamltree import YamlTree, format_path

FIELDS = ("id", "prompt", "stratum", "persona", "warning", "answer_start", "image", "image_alt", "language")
IMAGE_FIELDS = {"image", "image_alt"}
# Columns of these names are read without being named. `language` and `image` are not: many tables have others.
_FOUND_BY_NAME = FIELDS[:6]
NO_OPTIONS = ItemFile(file="-")
_COLUMNS = {"key": "id", **{name: name for name in ("stratum", "warning", "answer_start", "language")}}
_CHECKS: Mapping[str, Callable[[Any], str]] = {
    "id": check_id, "language": check_language, **dict.fromkeys(("prompt", "persona", "answer_start"), check_text)
}  # fmt: skip
_LENGTHS = {
    _COLUMNS[field.name]: field.max_length
    for field in Item._meta.fields
    if field.name in _COLUMNS and field.max_length is not None
}


@dataclass(frozen=True)
class ItemFolder:
    """Where files of items lie, if there are any. One that is `confined` was sent by somebody, who gets nothing from
    outside of it."""

    path: Path | None
    confined: bool = False


@dataclass(frozen=True)
class Row:
    """One item as written: where it stands, the path put before its fields, its values by field, and the folder in
    which its image lies; without one, an image has to be in the database already."""

    file: str
    place: int | str
    path: str
    values: dict[str, Any]
    folder: Path | None = None

    def problem(self, field: str, message: str) -> Problem:
        """Return a problem with one field of this row."""
        return Problem(self.file, self.place, f"{self.path}.{field}" if self.path else field, message)


def read_items(
    source: ItemFile | list[Any], tree: YamlTree, folder: ItemFolder, problems: list[Problem]
) -> list[ItemDefinition] | None:
    """Return the items, or None after adding what is wrong with them to `problems`."""
    found: list[Problem] = []
    items = checked_items(_rows(source, tree, folder, found), found)
    problems += found
    return None if found else items


def checked_items(rows: Iterable[tuple[Row, ItemFile]], found: list[Problem]) -> list[ItemDefinition]:
    """Return the items that rows say, each with what its file says of all; what is wrong goes to `found`."""
    items: list[ItemDefinition] = []
    places: dict[str, tuple[int | str, str]] = {}
    for row, options in rows:
        item = _item(row, options, found)
        if item is None:
            continue
        known_as = id_key(item.key)
        if known_as in places:
            found.append(_repeated(row, item.key, *places[known_as]))
        places.setdefault(known_as, (row.place, item.key))
        items.append(item)
    return items


def _rows(
    source: ItemFile | list[Any], tree: YamlTree, folder: ItemFolder, problems: list[Problem]
) -> Iterator[tuple[Row, ItemFile]]:
    """Yield every row with the options that apply to it; a list may hold rows and files."""
    if isinstance(source, ItemFile):
        yield from ((row, source) for row in _rows_of_file(source, ["items"], tree, folder, problems))
        return
    for index, entry in enumerate(source):
        location: list[str | int] = ["items", index]
        if isinstance(entry, ItemFile):
            yield from ((row, entry) for row in _rows_of_file(entry, location, tree, folder, problems))
        elif isinstance(entry, dict):
            yield Row(tree.file, tree.line(location), format_path(location), entry, folder.path), NO_OPTIONS
        else:
            problems.append(tree.problem(location, f"expected a mapping such as `prompt: …`, found {entry!r}"))


def _rows_of_file(
    source: ItemFile, location: list[str | int], tree: YamlTree, folder: ItemFolder, problems: list[Problem]
) -> Iterator[Row]:
    if folder.path is None:
        message = f"{source.file!r} is not here; write the items into the study, or send both as .zip"
        problems.append(tree.problem([*location, "file"], message))
        return
    path = folder.path / source.file
    if folder.confined and not path.resolve().is_relative_to(folder.path.resolve()):
        message = f"{source.file!r} is no file beside the study file; put it there, and send both as .zip"
        problems.append(tree.problem([*location, "file"], message))
        return
    if not path.is_file():
        looked = "put it beside the study file" if folder.confined else f"looked for {path}"
        message = f"{source.file!r} does not exist; {looked} (paths are relative to the study file)"
        problems.append(tree.problem([*location, "file"], message))
        return
    columns = (
        source.columns.model_dump(exclude_none=True) if source.columns else {name: name for name in _FOUND_BY_NAME}
    )
    required = set(columns.values()) if source.columns else {"prompt"}
    for number, record in enumerate(_records(path, required, problems), start=1):
        if source.limit is not None and number > source.limit:
            return
        fields = {field: record.values[column] for field, column in columns.items() if column in record.values}
        yield Row(str(path), record.at or "", "", fields, path.parent)


def _records(path: Path, required: Set[str], problems: list[Problem]) -> Iterator[Record]:
    """Yield the rows of a file in which the columns `required` stand; what is wrong goes to `problems`."""
    file = RowFile(path)
    for row in file.rows():
        if isinstance(row, RowProblem):
            problems.append(Problem(str(path), row.at, "", row.message))
            continue
        if file.is_table and not required <= set(file.columns):
            break
        yield row
    if file.columns or not problems:
        there = ", ".join(file.columns) or "none"
        problems += [
            Problem(str(path), file.header_line, column, f"there is no such column; the file has {there}")
            for column in sorted(set(required) - set(file.columns))
        ]


def _item(row: Row, options: ItemFile, problems: list[Problem]) -> ItemDefinition | None:
    before = len(problems)
    for name in row.values:
        if name not in FIELDS:
            problems.append(row.problem(str(name), unknown_key(name, FIELDS)))
    values = {name: _value(row, name, problems) for name in FIELDS}
    prompt, persona = values["prompt"], values["persona"]
    if prompt is None and len(problems) == before:
        problems.append(row.problem("prompt", "is empty; every item needs a prompt"))
    if prompt is None or len(problems) > before:
        return None
    key = options.id_prefix + (values["id"] or content_id(prompt, persona))
    if len(key) > _LENGTHS["id"]:
        problems.append(row.problem("id", f"is {len(key)} characters long with its prefix; {_LENGTHS['id']} fit"))
        return None
    return ItemDefinition(
        key=key,
        prompt=prompt,
        persona=persona,
        stratum=values["stratum"] or options.stratum,
        warning=values["warning"] or options.warning,
        answer_start=values["answer_start"] or "",
        **_image(row, values["image"], values["image_alt"], problems),
        language=values["language"] or options.language,
    )


def section_images(
    name: str, parts: Mapping[str, Any], tree: YamlTree, folder: ItemFolder, problems: list[Problem]
) -> list[dict[str, Any]]:
    """Return the fields of a definition that hold the image of each entry of a section, by the rules for items."""
    found = []
    for index, entry in enumerate(parts.get(name, [])):
        path: list[str | int] = [name, index]
        row = Row(tree.file, tree.line(path), format_path(path), {}, folder.path)
        found.append(_image(row, entry.image, entry.image_alt, problems))
    return found


def _image(row: Row, name: str | None, alt: str | None, problems: list[Problem]) -> dict[str, Any]:
    """Return the fields of a definition that hold the row's image, none where it has none."""
    if name is None and alt is None:
        return {}
    if name is None or alt is None:
        why = "describe in words what the image shows, for whoever cannot see it" if name else "stands without an image"
        problems.append(row.problem("image_alt", f"is missing; {why}" if name else why))
        return {}
    try:
        found = read_image(name, row.folder)
    except ValueError as error:
        problems.append(row.problem("image", str(error)))
        return {}
    image = {"sha256": found.sha256, "alt": alt, "width": found.width, "height": found.height}
    return {"image": image, "image_file": found}


def _value(row: Row, name: str, problems: list[Problem]) -> str | None:
    """Return one field as text, None where the row leaves it blank."""
    value = row.values.get(name)
    if value is None or (isinstance(value, str) and is_blank(value)):
        return None
    try:
        if name == "prompt" and isinstance(value, list):
            value = join_turns(value)
        if name != "id" and not isinstance(value, str):
            raise ValueError(f"expected text, found {value!r}; put it in quotes")
        checked = _CHECKS.get(name, check_line)(value)
    except ValueError as error:
        problems.append(row.problem(name, str(error)))
        return None
    longest = _LENGTHS.get(name)
    if longest is not None and len(checked) > longest:
        problems.append(row.problem(name, f"is {len(checked)} characters long; {longest} fit"))
        return None
    return checked


def _repeated(row: Row, key: str, first: int | str, first_key: str) -> Problem:
    where = f"line {first}" if isinstance(first, int) else first
    if row.values.get("id") is None:
        return row.problem("prompt", f"is, with its persona, the same as {where}; remove one, or give both an id")
    if key != first_key:
        return row.problem("id", f"{key!r} differs from {first_key!r} of {where} in nothing that is seen but case")
    return row.problem("id", f"{key!r} is the id of {where} too; ids must differ")


def content_id(prompt: str, persona: str | None) -> str:
    """Return the id of an item that has none: 12 hex digits that depend on what it says, not on where it stands."""
    content = json.dumps([prompt, persona], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8")).hexdigest()[:12]
