"""One dot per participant: how much more they gave to one system than to the other."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from plots import svg
from plots.palette import INK, SOFT
from plots.scales import Scale, scale_over

_DOT = 3.4
_TALLEST = 84.0  # units for the highest pile of dots


@dataclass(frozen=True)
class Strip:
    """The participants' differences on one question, their mean and its interval, and the words at the right."""

    name: str
    differences: tuple[float, ...]
    mean: float | None
    ci: Sequence[float] | None
    words: str


def differences_figure(key: str, title: str, strips: Sequence[Strip], *, axis: str) -> str:
    """Return piles of dots per question on one scale, with the mean and its interval under each."""
    values = [value for strip in strips for value in (*strip.differences, *(strip.ci or ()))]
    largest = max((abs(value) for value in values), default=1.0) or 1.0
    scale = scale_over((-largest, largest), svg.MARGIN, svg.WIDTH - svg.MARGIN, ticks=6)
    parts: list[str] = []
    y = 0.0
    for strip in strips:
        drawn, height = _drawn(strip, scale, y)
        parts += drawn
        y += height
    behind = svg.bottom_axis(scale, y, 0, name=axis, signed=True)
    behind.append(svg.line(scale.at(0), 0, scale.at(0), y, colour=SOFT, dash="4 3"))
    description = "; ".join(f"{strip.name}: {strip.words}" for strip in strips)
    return svg.picture(key, title, description, y + 38, behind + parts)


def _drawn(strip: Strip, scale: Scale, top: float) -> tuple[list[str], float]:
    piles: Counter[int] = Counter()
    for value in strip.differences:
        piles[round(scale.at(value) / (2 * _DOT))] += 1
    step = min(2 * _DOT, _TALLEST / max(piles.values(), default=1))
    ground = top + 22 + max(piles.values(), default=1) * step
    parts = [
        svg.behind(0, top + 12, f"{strip.name}  "),
        svg.behind(svg.WIDTH, top + 12, strip.words, anchor="end"),
        svg.label(0, top + 12, strip.name, bold=True),
        svg.label(svg.WIDTH, top + 12, strip.words, anchor="end", colour=SOFT),
    ]
    for place, height in sorted(piles.items()):
        parts += [
            svg.mark(place * 2 * _DOT, ground - step * (n + 0.5), 0, size=_DOT - 0.3, opacity=0.75)
            for n in range(height)
        ]
    parts.append(svg.line(scale.start, ground + 1, scale.end, ground + 1, colour=SOFT, width=0.75))
    y = ground + 12
    if strip.ci is not None:
        parts += svg.interval(strip.ci, scale, y, colour=INK)
    if strip.mean is not None:
        parts.append(svg.mark(scale.at(strip.mean), y, 1))
    return parts, ground + 28 - top
