"""Write docs/study-keys.md from the schema of the study file: `make docs`."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path("docs") / "study-keys.md"

HEAD = """# Keys of the study file

Every key that a study file may hold, with what it takes. [study-file.md](study-file.md) says what each of them does.
This page is written by `make docs` from `annotation/studyfile/schema.py`. What is checked beyond it, such as whether
the answer of a check is on its scale, is told when the file is read.
"""
_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "null": "nothing",
    "object": "mapping",
}
Schema = dict[str, Any]


def page() -> str:
    """Return the page as it should be."""
    from annotation.studyfile.schema import StudyFile

    schema = StudyFile.model_json_schema()
    sections = [("Top level", schema), *((name, schema["$defs"][name]) for name in _reached(schema))]
    return "\n".join([HEAD, *(line for name, section in sections for line in _section(name, section))]) + "\n"


def keys() -> set[str]:
    """Return every key that a study file may hold, in whichever section."""
    from annotation.studyfile.schema import StudyFile

    schema = StudyFile.model_json_schema()
    return {key for section in (schema, *schema["$defs"].values()) for key in section.get("properties", {})}


def _reached(schema: Schema) -> list[str]:
    """The sections, in the order in which the file leads to them."""
    found: list[str] = []
    waiting = list(_referred(schema["properties"]))
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting = [*_referred(schema["$defs"][name]), *waiting]
    return found


def _referred(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"].rsplit("/", 1)[1]
        for inner in part.values():
            yield from _referred(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _referred(inner)


def _section(name: str, section: Schema) -> Iterator[str]:
    required = section.get("required", [])
    yield from (f"## {name}", "", section.get("description", ""), "", "| key | takes | default |", "|---|---|---|")
    for key, value in section["properties"].items():
        default = "required" if key in required else _default(value)
        yield f"| `{key}` | {_takes(value)} | {default} |".replace("  |", " |")
    yield ""


def _default(value: Schema) -> str:
    default = value.get("default")
    if "$ref" in value or default in (None, "", [], {}):
        return ""
    return f"`{json.dumps(default, ensure_ascii=False)}`"


def _takes(value: Schema) -> str:
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if choices := value.get("anyOf") or value.get("oneOf"):
        said = [_takes(one) for one in choices if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(word for word in said if word))
    if "enum" in value or "const" in value:
        return ", ".join(f"`{one}`" for one in value.get("enum", [value.get("const")]))
    return _plain(value)


def _plain(value: Schema) -> str:
    if value.get("type") == "array":
        return f"list of {_takes(value.get('items', {}))}{_limits(value, 'minItems', 'maxItems')}"
    if "type" not in value:
        return "row"
    if value["type"] in ("integer", "number"):
        return _WORDS[value["type"]] + _limits(value, "minimum", "maximum")
    return _WORDS[value["type"]] + _limits(value, "minLength", "maxLength", " characters")


def _limits(value: Schema, least: str, most: str, unit: str = "") -> str:
    low, high = value.get(least), value.get(most)
    if low is None and high is None:
        return ""
    if high is None:
        return f", at least {low}{unit}"
    return f", at most {high}{unit}" if low is None else f", {low} to {high}{unit}"


def main() -> None:
    """Write the page."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
    django.setup()
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE} is written.")


if __name__ == "__main__":
    main()
