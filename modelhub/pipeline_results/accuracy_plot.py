"""The accuracy of personas drawn: a mark with its interval per system and direction, on a scale from 0 to 100 %."""

from typing import Any

from annotation.plots import LABEL_WIDTH, NUMBER_WIDTH, WIDTH, Bar, Line, Plot, Text, shorten
from modelhub.pipeline_results.accuracy import CHOSEN, REJECTED
from modelhub.report.numbers import percent

CHANCE = 0.5  # of two responses, one is right
_SERIES = {CHOSEN: 1, REJECTED: 2}
_STEP, _GAP, _TOP, _BOTTOM = 13.0, 9.0, 4.0, 20.0
_MARK = (5.0, 9.0)  # width and height
_INTERVAL_HEIGHT = 2.5
_TICKS = (0.0, CHANCE, 1.0)


def accuracy_plot(rows: list[dict[str, Any]]) -> Plot:
    """Return the plot of rows of `accuracy_report` of one data set, judge and rubric; a line marks chance."""
    bars: list[Bar] = []
    texts: list[Text] = []
    y = _TOP
    for row in rows:
        texts.append(Text(LABEL_WIDTH - 8, round(y + _STEP + 4, 1), shorten(row["system"]), "end"))
        for direction, series in _SERIES.items():
            found, middle = row["directions"][direction], y + _STEP / 2
            bars += _marks(found, middle, series)
            texts.append(Text(WIDTH - NUMBER_WIDTH + 8, round(middle + 4, 1), percent(found["accuracy"]), "start"))
            y += _STEP
        y += _GAP
    lines = tuple(Line(_x(tick), 0, _x(tick), round(y, 1)) for tick in _TICKS)
    texts += [Text(_x(tick), round(y + 13, 1), f"{100 * tick:.0f} %", "middle") for tick in _TICKS]
    return Plot(WIDTH, round(y + _BOTTOM, 1), tuple(bars), tuple(texts), lines)


def _marks(found: dict[str, Any], middle: float, series: int) -> list[Bar]:
    bars = []
    if found["ci"] is not None:
        low, high = (_x(limit) for limit in found["ci"])
        y = round(middle - _INTERVAL_HEIGHT / 2, 2)
        bars.append(Bar(low, y, round(high - low, 1), _INTERVAL_HEIGHT, series))
    if found["accuracy"] is not None:
        width, height = _MARK
        at = round(_x(found["accuracy"]) - width / 2, 1)
        bars.append(Bar(at, round(middle - height / 2, 1), width, height, series))
    return bars


def _x(share: float) -> float:
    return round(LABEL_WIDTH + share * (WIDTH - LABEL_WIDTH - NUMBER_WIDTH), 1)
