"""What a reader of rows yields: a row, or what is wrong with one. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from annotation.errors import ServiceError


def gettext_noop(text: str) -> str:
    """Mark a sentence for translation, as Django's own does, without which this package works."""
    return text


Place = int | str | None
"""A line, something like "row 7" where a file has no lines, or None for the whole file."""


class RecordError(ServiceError):
    """A file cannot be read; `problems` has one line per mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def place_name(file: str, at: Place) -> str:
    """Return where something stands, such as `outputs.jsonl line 4`."""
    return file if at is None else f"{file} line {at}" if isinstance(at, int) else f"{file} {at}"


@dataclass(frozen=True)
class Record:
    """One row: its file, where it stands there, and its values by column."""

    file: str
    at: Place
    values: dict[str, Any]

    @property
    def place(self) -> str:
        """Where it came from, such as `outputs.jsonl line 4`."""
        return place_name(self.file, self.at)


@dataclass(frozen=True)
class RowProblem:
    """What is wrong with a row or the whole file, and what would be right; the sentence goes on from its place."""

    at: Place
    message: str

    def told(self, file: str) -> str:
        """Return the problem with its place."""
        return f"{place_name(file, self.at)}: {self.message.rstrip('.')}."


Rows = Iterator[tuple[Place, dict[str, Any]] | RowProblem]
"""What a format's reader yields."""
