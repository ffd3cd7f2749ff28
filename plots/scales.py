"""Where numbers lie in a drawing, and the round numbers that are written beside them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

_STEPS = (1, 2, 2.5, 5, 10)  # ticks go on by one of these, times a power of ten
_EVEN_STEPS = (1, 2, 4, 6, 8, 10)  # half of each is as round
_TOLERANCE = 0.999  # a step that is too short by less is taken: it is the rounding of the computer that it lacks
_SAME = 1e-9  # numbers this close, in parts of the larger, are one


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` laid out from `start` to `end`; `ticks` are round values among them.

    `end` is less than `start` where large values lie at the top of a drawing.
    """

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...] = ()

    def at(self, value: float) -> float:
        """Return where a value lies; values beyond an end lie on it."""
        kept = min(max(value, self.low), self.high)
        return self.start + (kept - self.low) / (self.high - self.low) * (self.end - self.start)


def scale_over(values: Iterable[float], start: float, end: float, *, ticks: int = 5, margin: float = 0.5) -> Scale:
    """Return a scale with round ends that covers all values, which must be finite, in about `ticks` steps.

    Where all values are one, it reaches `margin` beyond it on both sides.
    """
    known = list(values) or [0.0, 1.0]
    low, high = min(known), max(known)
    if high - low <= _SAME * max(1.0, abs(low), abs(high)):
        low, high = low - margin, high + margin
    marks = round_ticks(low, high, ticks)
    return Scale(marks[0], marks[-1], start, end, marks)


def round_ticks(low: float, high: float, steps: int) -> tuple[float, ...]:
    """Return round numbers at equal distances, about `steps` of them apart, from `low` or below to `high` or beyond."""
    rough = (high - low) / steps
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in _STEPS if factor * power >= rough * _TOLERANCE)
    first, last = math.floor(low / step + _SAME), math.ceil(high / step - _SAME)
    return tuple(float(f"{number * step:.12g}") for number in range(first, last + 1))


def round_maximum(value: float) -> float:
    """Return the end of a scale of counts from 0: a round number of which half is round, at least 2, not below `value`.

    It is 1, 2, 4, 6 or 8 times a power of ten.
    """
    if value <= 2:
        return 2.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in _EVEN_STEPS if factor * power >= value)
