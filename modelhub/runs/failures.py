"""Rows that an engine could not make: counted by kind, and apart whether asking again may help. Pure.

Rows that a model refused to answer are no failures: they are stored, with no text, and counted apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from modelhub.engines.base import GenerationFailure, GenerationResult
from modelhub.prompting.endings import no_text_reason

_KINDS_SHOWN = 5
_EXAMPLES = 2
REMEDY = "Give them shorter prompts (such as fewer exemplars) or a model or server that takes them, or do without them."


@dataclass
class _Kind:
    """The failures of one kind: how many, the first of them by key, and what the very first one says."""

    name: str
    error: str
    count: int = 0
    keys: list[str] = field(default_factory=list)

    def add(self, key: str) -> None:
        self.count += 1
        if len(self.keys) < _EXAMPLES:
            self.keys.append(key)


@dataclass
class Failures:
    """The rows of a run that failed. Final ones fail again each time that the same is asked of the same system."""

    _kinds: dict[tuple[bool, str], _Kind] = field(default_factory=dict)
    _empty: dict[str, _Kind] = field(default_factory=dict)

    def add(self, key: str, failure: GenerationFailure) -> None:
        """Count the failure of the row with this key."""
        name = failure.kind or failure.error
        self._kinds.setdefault((failure.final, name), _Kind(name, failure.error)).add(key)

    def note(self, key: str, result: GenerationResult) -> None:
        """Count a row that was answered with no text."""
        if not result.text.strip():
            reason = no_text_reason(result.finish_reason)
            self._empty.setdefault(reason, _Kind(reason, reason)).add(key)

    @property
    def total(self) -> int:
        return sum(kind.count for kind in self._kinds.values())

    @property
    def final(self) -> int:
        """How many would fail again."""
        return sum(kind.count for (final, _), kind in self._kinds.items() if final)

    def count_in_words(self) -> str:
        """Return how many rows failed, how many of them for good, and how many have no text, to stand in a sentence."""
        empty = sum(kind.count for kind in self._empty.values())
        said = f"{self.total} failed" + (f" ({self.final} of them for good)" if self.final else "")
        return said + (f", {empty} answered with no text" if empty else "")

    def summary(self) -> str:
        """Return what failed and what to do about it, kind by kind with examples, and what has no text."""
        lines = [f"{_rows(self.total)} failed."] if self._kinds else []
        if self.final:
            lines.append(f"{_rows(self.final)} cannot be made as they are, and fail again each time. {REMEDY}")
            lines += _shown([kind for (final, _), kind in self._kinds.items() if final])
        if again := self.total - self.final:
            lines.append(f"{_rows(again)} may go better another time: the same command tries them again.")
            lines += _shown([kind for (final, _), kind in self._kinds.items() if not final])
        if self._empty:
            lines.append("Answered with no text, stored so, and not asked for again:")
            lines += _shown(list(self._empty.values()))
        return "\n".join(lines)


def _shown(found: list[_Kind]) -> Iterable[str]:
    found.sort(key=lambda kind: -kind.count)
    for kind in found[:_KINDS_SHOWN]:
        examples = ", ".join([*kind.keys, *(["…"] if kind.count > len(kind.keys) else [])])
        first = "" if kind.name == kind.error else f" The first: {kind.error}"
        yield f"- {kind.name} {_rows(kind.count)}: {examples}.{first}"
    if rest := found[_KINDS_SHOWN:]:
        yield f"- {_rows(sum(kind.count for kind in rest))}, for {len(rest)} other reasons; see the log."


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"
