"""Bars for pages: rows with their names at the left, and columns over time."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from plots.fitting import fitting_ends
from plots.palette import look_of
from plots.scales import Scale, round_maximum
from plots.shapes import AXIS_WIDTH, WIDTH, Bar, Line, Plot, Text, rounded

LABEL_WIDTH = 104.0  # left of bars, for their names
NUMBER_WIDTH = 66.0  # right of them, for the words behind them
COLUMN_HEIGHT = 120.0
TOP, BOTTOM = 10.0, 22.0
_GAP = 8.0
_ROW_HEIGHT, _BAR_HEIGHT = 20.0, 11.0
_MAX_COLUMN = 24.0  # wider ones look like areas
_SHARES = (0, 0.5, 1)  # of the height of columns: where lines are drawn


@dataclass(frozen=True)
class BarRow:
    """One row of a bar chart: parts that are put end to end, and the words behind them."""

    label: str
    parts: tuple[float, ...]
    words: str


def row_plot(rows: Sequence[BarRow], *, maximum: float, reference: float | None = None) -> Plot:
    """Return horizontal bars on a scale from 0 to `maximum`, or as far as they reach, with a line at `reference`.

    Raises:
        ValueError: a part is negative or not a number.
    """
    _check(part for row in rows for part in row.parts)
    scale = row_scale(max(maximum, *(sum(row.parts) for row in rows), 1e-9))
    height = _ROW_HEIGHT * max(len(rows), 1)
    bars: list[Bar] = []
    texts: list[Text] = []
    for number, row in enumerate(rows):
        middle = number * _ROW_HEIGHT + _ROW_HEIGHT / 2
        bars += _stacked(row.parts, scale, middle - _BAR_HEIGHT / 2)
        texts.append(row_label(row.label, middle))
        texts.append(Text(rounded(scale.at(sum(row.parts)) + 6), rounded(middle + 4), row.words, "start"))
    marked = [0.0] if reference is None else [0.0, reference]
    lines = tuple(Line(rounded(scale.at(value)), 0, rounded(scale.at(value)), height) for value in marked)
    return Plot(WIDTH, height, bars=tuple(bars), texts=tuple(texts), lines=lines)


def row_scale(maximum: float) -> Scale:
    """Return the scale from 0 to `maximum` between the names of rows and their numbers."""
    return Scale(0.0, maximum, LABEL_WIDTH, WIDTH - NUMBER_WIDTH)


def row_label(label: str, middle: float) -> Text:
    """Return the name of the row whose middle is at the height `middle`."""
    return Text(LABEL_WIDTH - _GAP, rounded(middle + 4), fitting_ends(label, LABEL_WIDTH - 2 * _GAP), "end")


def column_plot(values: Sequence[tuple[str, float]]) -> Plot:
    """Return one column per (label, value), with a scale on the left and the first and last label below.

    Raises:
        ValueError: a value is negative or not a number.
    """
    _check(value for _, value in values)
    bottom = TOP + COLUMN_HEIGHT
    scale = Scale(0.0, round_maximum(max((value for _, value in values), default=0)), bottom, TOP)
    step = (WIDTH - AXIS_WIDTH) / max(len(values), 1)
    width = min(step * 0.8, _MAX_COLUMN)
    bars = tuple(
        Bar(
            rounded(AXIS_WIDTH + number * step + (step - width) / 2),
            rounded(scale.at(value)),
            rounded(width),
            rounded(bottom - scale.at(value)),
            look_of(0),
        )
        for number, (_, value) in enumerate(values)
    )
    heights = [rounded(scale.at(share * scale.high)) for share in _SHARES]
    lines = tuple(Line(AXIS_WIDTH, y, WIDTH, y) for y in heights)
    return Plot(WIDTH, bottom + BOTTOM, bars=bars, texts=_column_texts(values, scale), lines=lines)


def _stacked(parts: Sequence[float], scale: Scale, y: float) -> list[Bar]:
    ends = pairwise(scale.at(end) for end in accumulate(parts, initial=0.0))
    return [
        Bar(rounded(left), rounded(y), rounded(right - left), _BAR_HEIGHT, look_of(series))
        for series, ((left, right), part) in enumerate(zip(ends, parts, strict=True))
        if part
    ]


def _column_texts(values: Sequence[tuple[str, float]], scale: Scale) -> tuple[Text, ...]:
    numbers = [share * scale.high for share in _SHARES]
    texts = [Text(AXIS_WIDTH - 6, rounded(scale.at(number) + 4), f"{number:g}", "end") for number in numbers]
    if values:
        texts.append(Text(AXIS_WIDTH, scale.start + 16, values[0][0], "start"))
    if len(values) > 1:
        texts.append(Text(WIDTH, scale.start + 16, values[-1][0], "end"))
    return tuple(texts)


def _check(numbers: Iterable[float]) -> None:
    for number in numbers:
        if not (math.isfinite(number) and number >= 0):
            raise ValueError(f"A length of {number} cannot be drawn; it must be a number from 0 on.")
