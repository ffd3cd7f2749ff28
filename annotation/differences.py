"""What differs between two study files, section by section, line by line. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from annotation.studyfile.writer import file_text

_KINDS = {"+": "added", "-": "removed", "@": "left-out"}
_CONTEXT = 2


@dataclass(frozen=True)
class DifferenceLine:
    """A line of one file or of both; `kind` is empty for one of both."""

    kind: str
    text: str


@dataclass(frozen=True)
class Difference:
    """A section that is not the same, by its key."""

    key: str
    lines: tuple[DifferenceLine, ...]


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return the sections that differ between the data of two study files."""
    keys = list(dict.fromkeys([*before, *after]))
    return [Difference(key, _lines(before, after, key)) for key in keys if before.get(key) != after.get(key)]


def _lines(before: Mapping[str, Any], after: Mapping[str, Any], key: str) -> tuple[DifferenceLine, ...]:
    old, new = (file_text({key: data[key]}).rstrip("\n").split("\n") if key in data else [] for data in (before, after))
    _, _, *compared = [*unified_diff(old, new, lineterm="", n=_CONTEXT)] or [""] * 2
    return tuple(DifferenceLine(_KINDS.get(line[:1], ""), "…" if line[:1] == "@" else line[1:]) for line in compared)
