"""Curves for pages: measured points in, paths over one scale out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from plots.fitting import width_of
from plots.scales import Scale, scale_over
from plots.shapes import AXIS_WIDTH, WIDTH, Circle, Line, Path, Plot, Text, rounded

MOST_POINTS = 400  # of one line; more are not seen in 320 units
MOST_MARKED = 40  # a line of more points shows no circles
MOST_RULES = 12  # vertical lines that can be told apart, with their labels
HEIGHT = 150.0
_TOP, _BOTTOM, _RIGHT = 16.0, 20.0, 8.0  # the ring around a last point needs room
_RADIUS = 2.2

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


def curve_plot(
    curves: Sequence[Curve],
    *,
    rules: Sequence[tuple[float, str]] = (),
    limits: tuple[float, float] | None = None,
    x_name: str = "step",
) -> Plot | None:
    """Return the lines over one scale from x = 0, or None where there is no number at all.

    `rules` are vertical lines with their labels. `limits` fixes the scale of y, which is otherwise as wide as the
    numbers.
    """
    numbers = [y for curve in curves for _, y in curve.points if y is not None]
    if not numbers:
        return None
    right = max(x for curve in curves for x, _ in curve.points) or 1.0
    across = Scale(0.0, right, AXIS_WIDTH, WIDTH)
    margin = abs(numbers[0]) * 0.1 or 1.0
    upward = scale_over(limits or numbers, _TOP + HEIGHT, _TOP, ticks=4, margin=margin)
    heights = [rounded(upward.at(tick)) for tick in upward.ticks]
    places = [rounded(across.at(x)) for x, _ in rules]
    return Plot(
        width=WIDTH + _RIGHT,
        height=_TOP + HEIGHT + _BOTTOM,
        lines=tuple(Line(AXIS_WIDTH, y, WIDTH, y) for y in heights),
        rules=tuple(Line(x, _TOP, x, _TOP + HEIGHT) for x in places),
        paths=tuple(Path(path_of(curve.points, across, upward), curve.look) for curve in curves),
        circles=tuple(circle for curve in curves for circle in _circles(curve, across, upward)),
        texts=(*_scale_texts(across, upward, x_name), *_rule_texts([label for _, label in rules], places)),
    )


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


def path_of(points: Sequence[Point], across: Scale, upward: Scale) -> str:
    """Return the line in the words of SVG. A point between two gaps becomes a dot."""
    words = []
    pen_is_down = False
    for at, (x, y) in enumerate(points):
        if y is None:
            pen_is_down = False
            continue
        alone = not pen_is_down and (at + 1 == len(points) or points[at + 1][1] is None)
        place = f"{rounded(across.at(x)):g},{rounded(upward.at(y)):g}"
        words.append(f"{'L' if pen_is_down else 'M'}{place}{'h0' if alone else ''}")
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


def _circles(curve: Curve, across: Scale, upward: Scale) -> list[Circle]:
    there = [(x, rounded(across.at(x)), rounded(upward.at(y))) for x, y in curve.points if y is not None]
    circles = []
    if not curve.plain and len(there) <= MOST_MARKED:
        circles = [Circle(x, y, _RADIUS, curve.look) for _, x, y in there]
    return circles + [Circle(x, y, 2.5 * _RADIUS, "best") for value, x, y in there if value == curve.best]


def _scale_texts(across: Scale, upward: Scale, x_name: str) -> list[Text]:
    bottom = upward.start + 14
    right = f"{across.high:,.0f}" if across.high >= 100 else f"{across.high:.4g}"
    return [
        *(Text(AXIS_WIDTH - 5, rounded(upward.at(tick) + 4), _number(tick), "end") for tick in upward.ticks),
        Text(AXIS_WIDTH, bottom, "0", "start"),
        Text(WIDTH, bottom, f"{x_name} {right}", "end"),
    ]


def _number(tick: float) -> str:
    return f"{tick:.4g}".replace("-", "\N{MINUS SIGN}")


def _rule_texts(labels: Sequence[str], places: Sequence[float]) -> list[Text]:
    """Return the labels over the rules; one that would leave the drawing ends at its edge."""
    texts = []
    for label, at in zip(labels, places, strict=True):
        over = at + width_of(label) / 2 > WIDTH
        texts.append(Text(WIDTH if over else at, _TOP - 5, label, "end" if over else "middle"))
    return texts
