"""How often each value was given, as bars of 100 %."""

from collections.abc import Sequence
from dataclasses import dataclass

from plots import svg
from plots.fitting import fitting
from plots.palette import GRID, INK, SOFT, shade

_ROW, _BAR = 40.0, 18.0


@dataclass(frozen=True)
class Shares:
    """One bar: a name, how often each value was given (in the order of the scale), and words at its right."""

    name: str
    counts: tuple[int, ...]
    words: str


def distribution_figure(key: str, title: str, bars: Sequence[Shares], labels: Sequence[str]) -> str:
    """Return one bar per entry, light for the lowest value, dark for the highest; shares from 7 % on are written."""
    parts: list[str] = []
    for number, bar in enumerate(bars):
        top = number * _ROW
        parts.append(svg.label(0, top + 12, fitting(bar.name, 250), bold=True))
        parts.append(svg.label(svg.WIDTH, top + 12, bar.words, anchor="end", colour=SOFT))
        parts += _segments(bar.counts, top + 17)
    colours = [shade(place, len(labels)) for place in range(len(labels))]
    entries = [(svg.box(-5, -5, 10, 10, fill=colour), text) for colour, text in zip(colours, labels, strict=True)]
    under, height = svg.legend(entries, len(bars) * _ROW + 12)
    description = "; ".join(f"{bar.name}: {', '.join(map(str, bar.counts))} ({bar.words})" for bar in bars)
    return svg.picture(key, title, description, len(bars) * _ROW + 8 + height, parts + under)


def _segments(counts: Sequence[int], top: float) -> list[str]:
    total = sum(counts)
    if not total:
        return [svg.box(0, top, svg.WIDTH, _BAR, fill="none", stroke=GRID)]
    parts, x = [], 0.0
    for place, count in enumerate(counts):
        width = svg.WIDTH * count / total
        if count:
            parts.append(svg.box(x, top, width, _BAR, fill=shade(place, len(counts)), stroke="#ffffff"))
        if count / total >= 0.07:
            colour = "#ffffff" if place * 2 >= len(counts) - 1 else INK
            text = f"{100 * count / total:.0f} %"
            parts.append(svg.label(x + width / 2, top + 13, text, anchor="middle", size=10, colour=colour))
        x += width
    return parts
