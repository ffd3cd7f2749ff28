"""When a study will be done, from the parts that were finished lately. Pure, and honest about how little is known.

Two paces are looked at, that of the last hours and that of the last days, each as uncertain as its number of parts
makes it (the square root of a count is its error). What comes out is a range that holds both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import sqrt

# The stretches whose pace is looked at.
WINDOWS = (timedelta(hours=6), timedelta(hours=72))
# Fewer finished parts than these say nothing of a pace.
FEWEST = 6
# A forecast beyond this is no forecast.
FURTHEST = timedelta(days=365)


class Expectation(StrEnum):
    """What can be said of the end."""

    DONE = "done"
    TOO_EARLY = "too_early"
    RANGE = "range"
    FAR = "far"


@dataclass(frozen=True)
class Forecast:
    """What can be said: for a range the earliest and the latest time, and how many parts an hour lie behind it."""

    expectation: Expectation
    earliest: datetime | None = None
    latest: datetime | None = None
    per_hour: float = 0.0


def forecast(*, left: int, first: datetime | None, lately: Mapping[timedelta, int], now: datetime) -> Forecast:
    """Return when `left` parts will be finished. `lately` counts those finished within each of WINDOWS, `first` is when
    the first part of all was finished: a study of two hours has no pace of three days."""
    if left <= 0:
        return Forecast(Expectation.DONE)
    paces = [_pace(number, min(window, now - first)) for window, number in lately.items() if first and number >= FEWEST]
    if not paces:
        return Forecast(Expectation.TOO_EARLY)
    slowest, fastest = min(low for low, _ in paces), max(high for _, high in paces)
    earliest, latest = timedelta(hours=left / fastest), timedelta(hours=min(left / slowest, 1e6))
    middle = (slowest + fastest) / 2
    if latest > FURTHEST:
        return Forecast(Expectation.FAR, earliest=now + min(earliest, FURTHEST), per_hour=middle)
    return Forecast(Expectation.RANGE, now + earliest, now + latest, middle)


def _pace(number: int, stretch: timedelta) -> tuple[float, float]:
    """Return the lowest and the highest pace, in parts an hour, that fit so many parts in a stretch."""
    hours = max(stretch / timedelta(hours=1), 1 / 60)
    return (number - sqrt(number)) / hours, (number + sqrt(number)) / hours
