"""How long a server asks to be left alone, in whichever way it says so. Pure."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = r"\d{1,9}(?:\.\d{1,9})?"
_PIECE = rf"{_NUMBER} ?(?:hours?|minutes?|seconds?|milliseconds?|min|secs?|ms|h|m|s)(?![a-z])"
_DURATION = re.compile(rf"(?:{_PIECE} ?)+", re.IGNORECASE)
_PART = re.compile(rf"({_NUMBER}) ?(ms|milli|h|m|s)", re.IGNORECASE)
_IN_WORDS = re.compile(rf"(?:try(?: it)? again|retry)(?: again)? (?:in|after)[: ]*((?:{_PIECE} ?)+)", re.IGNORECASE)
_RESETS = ("requests", "tokens")


def asked_wait(headers: Mapping[str, str], text: str, *, now: datetime | None = None) -> float | None:
    """Return the seconds that a server asks to wait, None if it does not; never less than 0.

    In this order: `retry-after-ms`, `Retry-After` (RFC 9110, 10.2.3: seconds, also with decimals, or a date), "try
    again in 20s" in the message, and when the limits that are used up are said to begin anew.
    """
    found = _milliseconds(headers.get("retry-after-ms", ""))
    if found is None:
        found = _seconds_or_date(headers.get("retry-after", ""), now or datetime.now(UTC))
    if found is None and (said := _IN_WORDS.search(text)):
        found = _duration(said[1])
    return _reset(headers) if found is None else found


def _reset(headers: Mapping[str, str]) -> float | None:
    used_up = [name for name in _RESETS if headers.get(f"x-ratelimit-remaining-{name}", "0").strip() in ("0", "0.0")]
    waits = [_duration(headers.get(f"x-ratelimit-reset-{name}", "")) for name in used_up]
    return max((wait for wait in waits if wait is not None), default=None)


def _milliseconds(value: str) -> float | None:
    found = _number(value)
    return None if found is None else found / 1000


def _seconds_or_date(value: str, now: datetime) -> float | None:
    if (seconds := _number(value)) is not None:
        return seconds
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return _duration(value)
    return max((date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds(), 0.0)


def _number(value: str) -> float | None:
    try:
        found = float(value)
    except ValueError:
        return None
    return max(found, 0.0) if math.isfinite(found) else None


def _duration(value: str) -> float | None:
    """Return the seconds of `120ms`, `6m0s`, `2m59.56s`, `20 seconds`; None for anything else."""
    if not _DURATION.fullmatch(value.strip()):
        return None
    parts = _PART.findall(value)
    return sum(float(number) * _UNITS["ms" if unit.lower() == "milli" else unit.lower()] for number, unit in parts)
