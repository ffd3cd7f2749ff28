"""Rows that an engine could not make: counted by kind, and apart whether asking again may help. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from modelhub.engines.base import GenerationFailure

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


@dataclass
class Failures:
    """The rows of a run that failed. Final ones fail again each time that the same is asked of the same system."""

    _kinds: dict[tuple[bool, str], _Kind] = field(default_factory=dict)

    def add(self, key: str, failure: GenerationFailure) -> None:
        """Count the failure of the row with this key."""
        name = failure.kind or failure.error
        kind = self._kinds.setdefault((failure.final, name), _Kind(name, failure.error))
        kind.count += 1
        if len(kind.keys) < _EXAMPLES:
            kind.keys.append(key)

    @property
    def total(self) -> int:
        return sum(kind.count for kind in self._kinds.values())

    @property
    def final(self) -> int:
        """How many would fail again."""
        return sum(kind.count for (final, _), kind in self._kinds.items() if final)

    def count_in_words(self) -> str:
        """Return how many rows failed, and how many of them for good, to stand in a sentence."""
        return f"{self.total} failed" + (f" ({self.final} of them for good)" if self.final else "")

    def summary(self) -> str:
        """Return what failed and what to do about it, kind by kind with examples; empty if nothing failed."""
        if not self._kinds:
            return ""
        lines = [f"{_rows(self.total)} failed."]
        if self.final:
            lines.append(f"{_rows(self.final)} cannot be made as they are, and fail again each time. {REMEDY}")
            lines += self._shown(final=True)
        if again := self.total - self.final:
            lines.append(f"{_rows(again)} may go better another time: the same command tries them again.")
            lines += self._shown(final=False)
        return "\n".join(lines)

    def _shown(self, *, final: bool) -> Iterable[str]:
        found = [kind for (is_final, _), kind in self._kinds.items() if is_final == final]
        found.sort(key=lambda kind: -kind.count)
        for kind in found[:_KINDS_SHOWN]:
            examples = ", ".join([*kind.keys, *(["…"] if kind.count > len(kind.keys) else [])])
            first = "" if kind.name == kind.error else f" The first: {kind.error}"
            yield f"- {kind.name} {_rows(kind.count)}: {examples}.{first}"
        if rest := found[_KINDS_SHOWN:]:
            yield f"- {_rows(sum(kind.count for kind in rest))}, for {len(rest)} other reasons; see the log."


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"
