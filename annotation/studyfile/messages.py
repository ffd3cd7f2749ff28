"""Turn what pydantic found into sentences for the person who wrote the file."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from annotation.studyfile import schema, schema_options

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
    return tuple(step for step in error["loc"] if not str(step).startswith("<"))


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


def known_keys(path: tuple[str | int, ...], value: Any) -> list[str]:
    """Return the keys that the mapping at `path` may have; `value` is that mapping."""
    sections: dict[str, type[BaseModel]] = {
        "arms": schema.ArmOptions,
        "design": schema.Design,
        "practice": schema.PracticeItem,
        "items": schema.ItemFile,
        "quiz": schema_options.Quiz,
        "questions": schema_options.QuizQuestion,
        "checks": schema_options.Check,
        "planted": schema_options.PlantedPair,
        "questionnaires": schema_options.Questionnaires,
        "before": schema_options.SurveyQuestion,
        "after": schema_options.SurveyQuestion,
        "followup": schema_options.FollowupOptions,
        "exclusion_rules": schema_options.ExclusionRules,
        "recruitment": schema_options.Recruitment,
        "analysis": schema_options.Analysis,
        "preset": schema.Preset,
        "prolific": schema_options.Prolific,
    }
    names = [step for step in path if isinstance(step, str)]
    if names == ["aspects"]:
        kinds: dict[Any, type[BaseModel]] = {"comparison": schema.ComparisonAspect, "pick": schema.PickAspect}
        kind = value.get("type") if isinstance(value, dict) else None
        return list(kinds.get(kind, schema.RatingAspect).model_fields)
    if names[-1] == "options":
        return list(schema.ComparisonOptions.model_fields)
    if names[-1] == "columns":
        return list(schema.ItemColumns.model_fields)
    return list(sections[names[-1]].model_fields)


def _choices(error: ErrorDetails) -> str:
    if location(error)[0] == "aspects" and location(error)[-1] == "type":
        return ", ".join(get_args(schema.RatingAspect.model_fields["type"].annotation))
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
