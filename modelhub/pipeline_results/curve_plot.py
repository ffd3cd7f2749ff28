"""Curves as geometry: measured points in, paths in a drawing out. A template turns them into SVG elements.

All lengths are in the drawing's own units, as in `annotation.plots`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from annotation.plots import AXIS_WIDTH, WIDTH, Line, Text

MOST_POINTS = 400  # of one line; more are not seen in 320 units
MOST_MARKED = 40  # a line of more points shows no circles
MOST_RULES = 12  # vertical lines that can be told apart, with their labels
HEIGHT = 150.0
_TOP, _BOTTOM, _RIGHT = 16.0, 20.0, 8.0  # the ring around a last point needs room
_RADIUS = 2.2
_STEPS = (1, 2, 2.5, 5, 10)  # a scale goes on by one of these, times a power of ten

Point = tuple[float, float | None]


@dataclass(frozen=True)
class Curve:
    """A line: points by rising x, with None for y where no number was measured. `look` names its class.

    `best` is the x of the point that gets a ring; `plain` leaves out the circles that a short line has.
    """

    points: Sequence[Point]
    look: str
    best: float | None = None
    plain: bool = False


@dataclass(frozen=True)
class Path:
    """A drawn line; `d` is in the words of SVG. It is broken where no number was measured."""

    d: str
    look: str


@dataclass(frozen=True)
class Circle:
    """A point of a line, or the ring around its best."""

    x: float
    y: float
    radius: float
    look: str


@dataclass(frozen=True)
class CurvePlot:
    """A drawing of `width` by `height` units: a scale, vertical rules, and lines over it."""

    width: float
    height: float
    lines: tuple[Line, ...]
    rules: tuple[Line, ...]
    paths: tuple[Path, ...]
    circles: tuple[Circle, ...]
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class Scale:
    """Where numbers lie in the drawing: x from 0 to `right`, y between the first and the last of `ticks`."""

    right: float
    ticks: tuple[float, ...]

    def x(self, value: float) -> float:
        return round(AXIS_WIDTH + value / self.right * (WIDTH - AXIS_WIDTH), 1)

    def y(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return round(_TOP + (high - value) / (high - low) * HEIGHT, 1)


def curve_plot(
    curves: Sequence[Curve],
    *,
    rules: Sequence[tuple[float, str]] = (),
    limits: tuple[float, float] | None = None,
    x_name: str = "step",
) -> CurvePlot | None:
    """Return the lines over one scale from x = 0, or None where there is no number at all.

    `rules` are vertical lines with their labels. `limits` fixes the scale of y, which is otherwise as wide as the
    numbers.
    """
    numbers = [y for curve in curves for _, y in curve.points if y is not None]
    if not numbers:
        return None
    right = max(x for curve in curves for x, _ in curve.points) or 1.0
    scale = Scale(right, scale_ticks(*(limits or (min(numbers), max(numbers)))))
    return CurvePlot(
        width=WIDTH + _RIGHT,
        height=_TOP + HEIGHT + _BOTTOM,
        lines=tuple(Line(AXIS_WIDTH, scale.y(tick), WIDTH, scale.y(tick)) for tick in scale.ticks),
        rules=tuple(Line(scale.x(x), _TOP, scale.x(x), _TOP + HEIGHT) for x, _ in rules),
        paths=tuple(Path(path_of(curve.points, scale), curve.look) for curve in curves),
        circles=tuple(circle for curve in curves for circle in _circles(curve, scale)),
        texts=(*_scale_texts(scale, x_name), *_rule_texts(rules, scale)),
    )


def scale_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return round numbers at equal distances, three to seven of them, that reach from `low` to `high` or beyond."""
    if low == high:
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    distance = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(distance))
    step = next(factor * power for factor in _STEPS if factor * power >= distance * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(float(f"{number * step:.10g}") for number in range(first, last + 1))


def thin(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """Return at most `most` points: of neighbours the lowest and the highest, so that no spike is lost, and gaps."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / (most // 3))
    kept: list[Point] = []
    for start in range(0, len(points), size):
        kept += _extremes(points[start : start + size])
    return kept


def smooth(points: Sequence[Point], window: int) -> list[Point]:
    """Return the means over `window` neighbours, centred; at the ends over those that there are."""
    sums = [0.0, *accumulate(0.0 if y is None else y for _, y in points)]
    counts = [0, *accumulate(int(y is not None) for _, y in points)]
    smoothed: list[Point] = []
    for at, (x, _) in enumerate(points):
        low, high = max(0, at - window // 2), min(len(points), at + window // 2 + 1)
        count = counts[high] - counts[low]
        smoothed.append((x, (sums[high] - sums[low]) / count if count else None))
    return smoothed


def path_of(points: Sequence[Point], scale: Scale) -> str:
    """Return the line in the words of SVG. A point between two gaps becomes a dot."""
    words = []
    pen_is_down = False
    for at, (x, y) in enumerate(points):
        if y is None:
            pen_is_down = False
            continue
        alone = not pen_is_down and (at + 1 == len(points) or points[at + 1][1] is None)
        words.append(f"{'L' if pen_is_down else 'M'}{scale.x(x):g},{scale.y(y):g}{'h0' if alone else ''}")
        pen_is_down = True
    return "".join(words)


def thin_rules(rules: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Return at most MOST_RULES rules: all of them, or every second, third …"""
    every = math.ceil(len(rules) / MOST_RULES)
    return list(rules[every - 1 :: every]) if rules else []


def _extremes(points: Sequence[Point]) -> list[Point]:
    """Return the lowest and the highest point in their order, and the first gap between or beside them."""
    numbers = [at for at, (_, y) in enumerate(points) if y is not None]
    gaps = [at for at, (_, y) in enumerate(points) if y is None][:1]
    ends = {min(numbers, key=lambda at: points[at][1] or 0.0), max(numbers, key=lambda at: points[at][1] or 0.0)}
    return [points[at] for at in sorted({*ends, *gaps})] if numbers else [points[0]]


def _circles(curve: Curve, scale: Scale) -> list[Circle]:
    there = [(x, y) for x, y in curve.points if y is not None]
    circles = []
    if not curve.plain and len(there) <= MOST_MARKED:
        circles = [Circle(scale.x(x), scale.y(y), _RADIUS, curve.look) for x, y in there]
    return circles + [Circle(scale.x(x), scale.y(y), 2.5 * _RADIUS, "best") for x, y in there if x == curve.best]


def _scale_texts(scale: Scale, x_name: str) -> list[Text]:
    bottom = _TOP + HEIGHT + 14
    right = f"{scale.right:,.0f}" if scale.right >= 100 else f"{scale.right:.4g}"
    return [
        *(Text(AXIS_WIDTH - 5, round(scale.y(tick) + 4, 1), _number(tick), "end") for tick in scale.ticks),
        Text(AXIS_WIDTH, bottom, "0", "start"),
        Text(WIDTH, bottom, f"{x_name} {right}", "end"),
    ]


def _number(tick: float) -> str:
    return f"{tick:.4g}".replace("-", "\N{MINUS SIGN}")


def _rule_texts(rules: Sequence[tuple[float, str]], scale: Scale) -> list[Text]:
    """Return the labels over the rules; one that would leave the drawing ends at its edge."""
    texts = []
    for x, label in rules:
        at = scale.x(x)
        over = at + 3.0 * len(label) > WIDTH
        texts.append(Text(WIDTH if over else at, _TOP - 5, label, "end" if over else "middle"))
    return texts
