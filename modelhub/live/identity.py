"""Whether a server still serves what it served when it was first asked: a frozen study is held to that. Pure."""

from collections.abc import Mapping
from typing import Any

_LISTED = ("id", "root", "parent", "parent_root")  # from the server's list of models; see engines/openai/identity.py
_ANSWERED = "model"  # the name that its answers bear


def told_by_list(listed: Mapping[str, Any]) -> dict[str, str]:
    """Return what a server's list of models says, in the form in which it is kept with a system."""
    return {name: listed[name] for name in _LISTED if listed.get(name)}


def told_by_answer(served: Mapping[str, Any]) -> dict[str, str]:
    """Return the same of what came with an answer: the name it bears, and the list at that time."""
    answered = {_ANSWERED: served[_ANSWERED]} if served.get(_ANSWERED) else {}
    return told_by_list(served.get("listed", {})) | answered


def difference(known: Mapping[str, str], told: Mapping[str, str]) -> str:
    """Return in words what a server says otherwise than when it was first asked; empty if nothing.

    `told` holds the list of models, the name on an answer, or both; what is not asked for cannot differ.
    """
    compared: list[tuple[str, ...]] = [_LISTED] if any(name in known for name in _LISTED) else []
    compared += [(_ANSWERED,)] if _ANSWERED in known and _ANSWERED in told else []
    for names in compared:
        before, now = _part(known, names), _part(told, names)
        if before != now:
            said = _in_words(now) or "nothing of it"
            return f"It serves another model now: it says {said}, and said {_in_words(before)} when it was first asked."
    return ""


def learned(known: Mapping[str, str], told: Mapping[str, str]) -> dict[str, str]:
    """Return `known` with what is told for the first time."""
    fresh: dict[str, str] = {}
    if not any(name in known for name in _LISTED):
        fresh |= _part(told, _LISTED)
    if _ANSWERED not in known:
        fresh |= _part(told, (_ANSWERED,))
    return {**known, **fresh}


def _part(told: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: told[name] for name in names if told.get(name)}


def _in_words(told: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in told.items())
