"""The state of a form: read from what is sent, changed row by row, and settled into what a study file holds."""

import re
from collections.abc import Mapping
from typing import Any

from annotation.fields import plain_lines
from annotation.studyfile.languages import is_text
from annotation.studyforms.shapes import Shape

MOST_ROWS = 500
ROWS = ".rows"  # behind the name of a list: how many rows the form has
PRESENT = ".present"  # behind the name of a section that may be left out
POINTS = 5  # of a new scale
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,8})")
_DECIMAL = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,9})?")


def state_of(shape: Shape, value: Any) -> Any:
    """Return the state of a form that shows a value of a study file; None for what is left out."""
    if value is None:
        return None
    if shape.kind in ("section", "variants") and isinstance(value, dict):
        fields = shape.section(value).fields
        return {name: state_of(inside, value[name]) for name, inside in fields.items() if name in value}
    if shape.kind == "rows":
        listed = [{}] * value if type(value) is int else value
        return [state_of(shape.of, entry) for entry in listed]
    if shape.kind == "pairs" and isinstance(value, dict):
        return [{"key": key, "value": entry} for key, entry in value.items()]
    if shape.kind == "pairs" and _is_scale(shape):
        return [{"key": point["value"], "value": point["label"]} for point in value]
    return value


def state_sent(shape: Shape, name: str, sent: Mapping[str, Any], languages: list[str]) -> Any:
    """Return the state that a form was sent with; None for what was left empty."""
    if shape.kind in ("section", "variants"):
        if shape.optional and f"{name}{PRESENT}" not in sent:
            return None
        chosen = shape.section({"type": sent.get(f"{name}.type")})
        read = {inside: state_sent(one, f"{name}.{inside}", sent, languages) for inside, one in chosen.fields.items()}
        return {inside: value for inside, value in read.items() if value is not None}
    if shape.kind in ("rows", "pairs"):
        count = _read_number(sent.get(f"{name}{ROWS}", "0"))
        rows = min(count, MOST_ROWS) if isinstance(count, int) else 0
        inner = _pair(shape) if shape.kind == "pairs" else shape.of
        return [state_sent(inner, f"{name}.{index}", sent, languages) for index in range(rows)]
    if len(languages) > 1 and is_said(name):
        texts = {code: _text_sent(shape, str(sent.get(f"{name}@{code}", ""))) for code in languages}
        return _in_languages(texts)
    return _leaf(shape, sent, name)


def is_said(name: str) -> bool:
    """Whether a study in several languages has the text of this name in each of them."""
    return is_text(tuple(re.sub(r"(\.[0-9]+)\.value$", r"\1.label", name).split(".")))


def _in_languages(texts: dict[str, str | None]) -> Any:
    """One text where it is the same in all of them; one that is missing somewhere is kept as empty there."""
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return {code: text or "" for code, text in texts.items()}


def _leaf(shape: Shape, sent: Mapping[str, Any], name: str) -> Any:
    if shape.kind == "check":
        return True if name in sent else None
    text = str(sent.get(name, ""))
    if not text.strip():
        return "" if shape.required and shape.kind in ("line", "text") else None
    if shape.kind == "maybe":
        return {"true": True, "false": False}.get(text, text)
    if shape.kind == "number":
        return _read_number(text)
    if shape.kind == "decimal":
        return float(text) if _DECIMAL.fullmatch(text.strip()) else text
    return _text_sent(shape, text)


def _text_sent(shape: Shape, text: str) -> str | None:
    """Return a text without the line end that a text area adds to what ends in one."""
    return plain_lines(text) if text.strip() else None


def _read_number(text: str) -> int | str:
    return int(text) if _WHOLE.fullmatch(text.strip()) else text


def _pair(shape: Shape) -> Shape:
    assert shape.key
    return Shape("section", fields={"key": shape.key, "value": shape.of})


def act(shape: Shape, state: Any, action: str, steps: list[str]) -> Any:
    """Return the state after a button: a row added, removed or moved, or an optional section added or removed.

    `steps` lead to the list for `add`, else to the row. What leads nowhere changes nothing.
    """
    if shape.kind in ("section", "variants") and steps:
        inside = shape.section(state or {}).fields.get(steps[0])
        if inside is None or not isinstance(state, dict):
            return state
        return {**state, steps[0]: act(inside, state.get(steps[0]), action, steps[1:])}
    if shape.kind in ("section", "variants"):
        return (state if state is not None else blank(shape)) if action == "add" else None
    if shape.kind not in ("rows", "pairs"):
        return state
    rows = list(state or [])
    if not steps:
        return [*rows, blank(_pair(shape) if shape.kind == "pairs" else shape.of)] if action == "add" else rows
    index = _read_number(steps[0])
    if not isinstance(index, int) or not 0 <= index < len(rows):
        return rows
    if len(steps) > 1 or action == "add":
        rows[index] = act(_pair(shape) if shape.kind == "pairs" else shape.of, rows[index], action, steps[1:])
        return rows
    return _changed(rows, index, action)


def _changed(rows: list[Any], index: int, action: str) -> list[Any]:
    row = rows.pop(index)
    if action == "remove":
        return rows
    rows.insert(max(index - 1, 0) if action == "up" else index + 1, row)
    return rows


def blank(shape: Shape) -> Any:
    """Return a new row or section: as many rows as there must be, and a scale with its points."""
    if shape.kind == "variants":
        return blank(next(iter(shape.variants.values())))
    if shape.kind == "section":
        found = {name: blank(inside) for name, inside in shape.fields.items() if inside.kind in ("rows", "pairs")}
        return {name: value for name, value in found.items() if value}
    if shape.kind == "pairs" and _is_scale(shape):
        return [{"key": point} for point in range(1, POINTS + 1)]
    return [blank(shape.of) for _ in range(shape.least)] if shape.kind == "rows" else None


def settled(shape: Shape, state: Any) -> Any:
    """Return what a study file holds for a state; None for what it leaves out."""
    if shape.kind in ("section", "variants") and isinstance(state, dict):
        fields = shape.section(state).fields
        inside = {name: settled(fields[name], value) for name, value in state.items() if name in fields}
        return {name: value for name, value in inside.items() if value is not None}
    if shape.kind == "rows" and isinstance(state, list):
        rows = [settled(shape.of, row) for row in state]
        kept = [row for row in rows if row is not None]
        return kept if kept or shape.required else None
    if shape.kind == "pairs" and isinstance(state, list):
        return _settled_pairs(shape, state)
    return state


def _settled_pairs(shape: Shape, state: list[Any]) -> Any:
    """Return a mapping. Rows with one key, or with none, stay as they are: the file's messages say what is wrong."""
    rows = [row for row in state if row]
    if _is_scale(shape):  # points without a label are none
        rows = [row for row in rows if "value" in row]
    keys = [row.get("key") for row in rows]
    if len(set(keys)) == len(keys) and None not in keys:
        return {row["key"]: row.get("value", "") for row in rows} if rows else None
    # A scale may be a list of values and labels, too.
    return [{"value": row.get("key"), "label": row["value"]} for row in rows] if _is_scale(shape) else rows


def _is_scale(shape: Shape) -> bool:
    return shape.key is not None and shape.key.kind == "number"
