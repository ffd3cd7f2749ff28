"""Estimates with their intervals for pages: a mark over a bar as wide as the interval."""

from collections.abc import Sequence
from dataclasses import dataclass

from plots.bars import NUMBER_WIDTH, row_label, row_scale
from plots.palette import look_of
from plots.scales import Scale
from plots.shapes import WIDTH, Bar, Line, Plot, Text, rounded

_STEP, _GAP, _TOP, _BOTTOM = 13.0, 9.0, 4.0, 20.0
_MARK = (5.0, 9.0)  # width and height
_INTERVAL_HEIGHT = 2.5
_TICKS = (0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Estimate:
    """A name, the estimate and its interval if there are any, and the words at its right.

    `series` chooses colour and mark; `heading` stands above it where it differs from that of the estimate before.
    """

    name: str
    value: float | None
    ci: Sequence[float] | None
    words: str
    series: int = 0
    heading: str = ""


def share_plot(groups: Sequence[tuple[str, Sequence[Estimate]]]) -> Plot:
    """Return estimates of shares on a scale from 0 to 100 %, each group under its name; a line marks one half."""
    scale = row_scale(1.0)
    bars: list[Bar] = []
    texts: list[Text] = []
    y = _TOP
    for name, estimates in groups:
        texts.append(row_label(name, y + _STEP * len(estimates) / 2))
        for estimate in estimates:
            bars += _marks(estimate, scale, y + _STEP / 2)
            at = WIDTH - NUMBER_WIDTH + 8
            texts.append(Text(at, rounded(y + _STEP / 2 + 4), estimate.words, "start"))
            y += _STEP
        y += _GAP
    ticks = [(tick, rounded(scale.at(tick))) for tick in _TICKS]
    texts += [Text(x, rounded(y + 13), f"{100 * tick:.0f} %", "middle") for tick, x in ticks]
    lines = tuple(Line(x, 0, x, rounded(y)) for _, x in ticks)
    return Plot(WIDTH, rounded(y + _BOTTOM), bars=tuple(bars), texts=tuple(texts), lines=lines)


def _marks(estimate: Estimate, scale: Scale, middle: float) -> list[Bar]:
    bars = []
    if estimate.ci is not None:
        low, high = (rounded(scale.at(limit)) for limit in estimate.ci)
        y = round(middle - _INTERVAL_HEIGHT / 2, 2)
        bars.append(Bar(low, y, rounded(high - low), _INTERVAL_HEIGHT, look_of(estimate.series)))
    if estimate.value is not None:
        width, height = _MARK
        x = rounded(rounded(scale.at(estimate.value)) - width / 2)
        bars.append(Bar(x, rounded(middle - height / 2), width, height, look_of(estimate.series)))
    return bars
