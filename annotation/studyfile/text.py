"""The scale of a question in a study file."""

import re
from typing import Any

from annotation.fields import check_line

SCALE_HELP = "write `scale: {1: Not at all, 2: A little, 3: Very}`, consecutive whole numbers, each with its label"


def check_language(value: str) -> str:
    """Return the tag of a language, such as en or pt-BR. Raises ValueError."""
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", value):
        raise ValueError(f"{value!r} is no tag of a language; write it as in en, pt-BR or zh-Hans")
    return value


def parse_scale(value: Any) -> dict[int, str]:
    """Return a scale, given as a mapping or a list of value and label, ordered by value.

    Raises ValueError unless the values are consecutive whole numbers and each has a label of its own.
    """
    scale = dict(sorted(_scale_points(value)))
    if len(scale) < 2:
        raise ValueError(f"has {len(scale)} point; a scale needs two or more: {SCALE_HELP}")
    expected = list(range(min(scale), max(scale) + 1))
    if list(scale) != expected:
        missing = ", ".join(str(number) for number in expected if number not in scale)
        raise ValueError(f"has no label for {missing}; label every point from {min(scale)} to {max(scale)}")
    if len(set(scale.values())) < len(scale):
        raise ValueError("gives two points the same label; raters could not tell them apart")
    return scale


def _scale_points(value: Any) -> list[tuple[int, str]]:
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = [_listed_point(entry) for entry in value]
    else:
        raise ValueError(f"is neither a mapping nor a list; {SCALE_HELP}")
    numbers = [number for number, _ in pairs]
    for number, label in pairs:
        if type(number) is not int or abs(number) > 1000:
            raise ValueError(f"{number!r} is not a whole number from -1000 to 1000; {SCALE_HELP}")
        if not isinstance(label, str):
            raise ValueError(f"the label of {number} is {label!r}, not text; put it in quotes")
        if numbers.count(number) > 1:
            raise ValueError(f"the value {number} stands there twice")
    return [(number, check_line(label)) for number, label in pairs]


def _listed_point(entry: Any) -> tuple[Any, Any]:
    if not isinstance(entry, dict) or set(entry) != {"value", "label"}:
        raise ValueError(f"{entry!r} is not a point; write `- {{value: 1, label: Not at all}}`")
    return entry["value"], entry["label"]
