"""Turn what pydantic found into sentences for the person who wrote the file."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag
from pydantic_core import ErrorDetails

from annotation.studyfile import schema, schema_aspects

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number from 0 to 1",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
}


def location(error: ErrorDetails) -> tuple[str | int, ...]:
    """Return where the error stands, without the tags of alternatives, which are written <so>."""
    steps = error["loc"]
    # The last step to a key that is not known is that key, whatever it looks like.
    named = steps[-1:] if error["type"] == "extra_forbidden" else ()
    return (*(step for step in steps[: len(steps) - len(named)] if not str(step).startswith("<")), *named)


def describe(error: ErrorDetails) -> str:
    """Return what is wrong and what would be right."""
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind in _EXPECTED:
        return _wrong_type(_EXPECTED[kind], value)
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return "this key is missing; docs/study-file.md shows how to write it"
    if kind == "literal_error":
        return f"{value!r} is not one of the values it can have: {_choices(error)}"
    if kind == "string_pattern_mismatch":
        return f"{value!r} may hold only small letters a-z, digits and single hyphens, such as my-study-2"
    if kind == "too_long" and isinstance(value, str):
        return f"is {len(value)} characters long; {context['max_length']} fit"
    if kind in ("too_short", "too_long"):
        return f"has {context['actual_length']} entries; {_bounds(context)}"
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"{value} is out of range; {_bounds(context)}"
    return f"{error['msg']} (found {value!r})"


def unknown_key(key: Any, known: Iterable[str]) -> str:
    """Return the complaint about a key that the schema does not have, naming the nearest that it has."""
    names = sorted(known)
    near = get_close_matches(str(key), names, n=1)
    right = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(names)}"
    return f"is not a key that a study file has here; {right}"


def known_keys(steps: Sequence[str | int]) -> list[str]:
    """Return the keys that a mapping may have, by the schema; `steps` lead to it, with tags of alternatives."""
    kinds: list[tuple[str, Any]] = [("", schema.StudyFile)]
    for step in steps:
        tagged = [(tag, kind) for tag, kind in kinds if tag == step]
        kinds = tagged or [found for _, kind in kinds for found in _inside(kind, step)]
    models = [kind for _, kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return list(dict.fromkeys(name for model in models for name in model.model_fields))


def _inside(kind: Any, step: str | int) -> Iterator[tuple[str, Any]]:
    """Yield the kinds of value that may stand at a step inside a value of a kind."""
    if get_origin(kind) in (list, dict):
        yield from _alternatives(get_args(kind)[-1])
    elif isinstance(kind, type) and issubclass(kind, BaseModel) and step in kind.model_fields:
        yield from _alternatives(kind.model_fields[str(step)].annotation)


def _alternatives(kind: Any, tag: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the kinds of value among which a type leaves the choice, each with its tag in the steps of an error."""
    if get_origin(kind) is Annotated:
        inner, *marks = get_args(kind)
        yield from _alternatives(inner, next((mark.tag for mark in marks if isinstance(mark, Tag)), tag))
    elif get_origin(kind) in (Union, UnionType):
        for one in get_args(kind):
            yield from _alternatives(one, tag)
    else:
        yield tag, kind


def _choices(error: ErrorDetails) -> str:
    if location(error)[0] == "aspects" and location(error)[-1] == "type":
        return ", ".join(get_args(schema_aspects.RatingAspect.model_fields["type"].annotation))
    return str(error["ctx"]["expected"]).replace("'", "")


def _wrong_type(expected: str, value: Any) -> str:
    if value is None:
        return f"has no value; write {expected}"
    found = "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else repr(value)
    quotes = "; put it in quotes" if expected == "text" and not isinstance(value, list | dict) else ""
    return f"expected {expected}, found {found}{quotes}"


def _bounds(context: dict[str, Any]) -> str:
    low = context.get("ge", context.get("min_length"))
    high = context.get("le", context.get("max_length"))
    return f"at least {low} is right" if low is not None else f"at most {high} is right"
