"""Lists in files, written as they are made."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def json_list(path: Path, values: Iterable[Any]) -> int:
    """Write a JSON array, a value a line, and return how many there were."""
    return _lines(path, values, before="[\n", between=",\n", after="\n]\n")


def jsonl_list(path: Path, values: Iterable[Any]) -> int:
    """Write a JSON object a line, and return how many there were."""
    return _lines(path, values, before="", between="\n", after="\n")


def _lines(path: Path, values: Iterable[Any], *, before: str, between: str, after: str) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as sink:
        sink.write(before)
        for value in values:
            sink.write((between if count else "") + json.dumps(value, ensure_ascii=False))
            count += 1
        sink.write(after if count or before else "")
    return count
