"""Plots as geometry: numbers in, positions in a drawing out. Templates turn them into SVG elements.

All lengths are in the drawing's own units. A drawing is 360 units wide, so that on a phone one unit is about one pixel
and its words stay readable.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH = 360.0
ROW_HEIGHT = 20.0
BAR_HEIGHT = 11.0
LABEL_WIDTH = 104.0
NUMBER_WIDTH = 66.0
MAX_LABEL = 15  # characters that fit into LABEL_WIDTH
COLUMN_HEIGHT = 120.0
AXIS_WIDTH = 40.0
MAX_COLUMN = 24.0  # wider ones look like areas
TOP, BOTTOM = 10.0, 22.0


@dataclass(frozen=True)
class Bar:
    """A rectangle; `series` counts from 1 and chooses its colour."""

    x: float
    y: float
    width: float
    height: float
    series: int


@dataclass(frozen=True)
class Text:
    """Words at a place; `anchor` is start, middle or end."""

    x: float
    y: float
    words: str
    anchor: str


@dataclass(frozen=True)
class Line:
    """A thin line."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Plot:
    """A drawing of `width` by `height` units."""

    width: float
    height: float
    bars: tuple[Bar, ...]
    texts: tuple[Text, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Row:
    """One row of a bar chart: parts that are put end to end, and the words behind them."""

    label: str
    parts: tuple[float, ...]
    words: str


def row_plot(rows: Sequence[Row], *, maximum: float, reference: float | None = None) -> Plot:
    """Return horizontal bars on a scale from 0 to `maximum`, with a line at `reference`.

    Raises:
        ValueError: a part is negative or not a number.
    """
    _check(part for row in rows for part in row.parts)
    room = WIDTH - LABEL_WIDTH - NUMBER_WIDTH
    unit = room / max(maximum, *(sum(row.parts) for row in rows), 1e-9) if rows else 0.0
    height = ROW_HEIGHT * max(len(rows), 1)
    bars: list[Bar] = []
    texts: list[Text] = []
    for number, row in enumerate(rows):
        middle = number * ROW_HEIGHT + ROW_HEIGHT / 2
        bars += _stacked(row.parts, unit, middle - BAR_HEIGHT / 2)
        end = LABEL_WIDTH + sum(row.parts) * unit
        texts.append(Text(LABEL_WIDTH - 8, _round(middle + 4), shorten(row.label), "end"))
        texts.append(Text(_round(end + 6), _round(middle + 4), row.words, "start"))
    lines = [Line(LABEL_WIDTH, 0, LABEL_WIDTH, height)]
    if reference is not None:
        at = _round(LABEL_WIDTH + reference * unit)
        lines.append(Line(at, 0, at, height))
    return Plot(WIDTH, height, tuple(bars), tuple(texts), tuple(lines))


def column_plot(values: Sequence[tuple[str, float]]) -> Plot:
    """Return one column per (label, value), with a scale on the left and the first and last label below.

    Raises:
        ValueError: a value is negative or not a number.
    """
    _check(value for _, value in values)
    top = nice_maximum(max((value for _, value in values), default=0))
    bottom = TOP + COLUMN_HEIGHT
    step = (WIDTH - AXIS_WIDTH) / max(len(values), 1)
    width = min(step * 0.8, MAX_COLUMN)
    bars = tuple(
        Bar(
            _round(AXIS_WIDTH + number * step + (step - width) / 2),
            _round(bottom - value / top * COLUMN_HEIGHT),
            _round(width),
            _round(value / top * COLUMN_HEIGHT),
            1,
        )
        for number, (_, value) in enumerate(values)
    )
    return Plot(WIDTH, bottom + BOTTOM, bars, _column_texts(values, top), _grid(bottom))


def nice_maximum(value: float) -> float:
    """Return the end of a readable scale: 1, 2, 4, 6 or 8 times a power of ten, at least 2 and not below `value`."""
    if value <= 2:
        return 2.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 4, 6, 8, 10) if factor * power >= value)


def shorten(label: str) -> str:
    """Return the label as far as it fits, without its middle: names are often told apart by their ends.

    The table behind the plot has it in full.
    """
    half = MAX_LABEL // 2
    return label if len(label) <= MAX_LABEL else f"{label[:half]}…{label[-half:]}"


def _stacked(parts: Sequence[float], unit: float, y: float) -> list[Bar]:
    bars, x = [], LABEL_WIDTH
    for series, part in enumerate(parts, start=1):
        if part:
            bars.append(Bar(_round(x), _round(y), _round(part * unit), BAR_HEIGHT, series))
        x += part * unit
    return bars


def _column_texts(values: Sequence[tuple[str, float]], top: float) -> tuple[Text, ...]:
    bottom = TOP + COLUMN_HEIGHT
    scale = [
        Text(AXIS_WIDTH - 6, _round(bottom - share * COLUMN_HEIGHT + 4), f"{share * top:g}", "end")
        for share in (0, 0.5, 1)
    ]
    if not values:
        return tuple(scale)
    ends = [Text(AXIS_WIDTH, bottom + 16, values[0][0], "start")]
    if len(values) > 1:
        ends.append(Text(WIDTH, bottom + 16, values[-1][0], "end"))
    return (*scale, *ends)


def _grid(bottom: float) -> tuple[Line, ...]:
    heights = (bottom - share * COLUMN_HEIGHT for share in (0, 0.5, 1))
    return tuple(Line(AXIS_WIDTH, _round(y), WIDTH, _round(y)) for y in heights)


def _check(numbers: Iterable[float]) -> None:
    for number in numbers:
        if not (math.isfinite(number) and number >= 0):
            raise ValueError(f"A length of {number} cannot be drawn; it must be a number from 0 on.")


def _round(number: float) -> float:
    return round(number, 1)
