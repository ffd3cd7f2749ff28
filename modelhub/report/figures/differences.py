"""One dot per participant: how much more they gave to one system than to the other."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelhub.report.figures.drawing import Row
from modelhub.report.figures.paper import MARGIN, Paper, fitting, width_of
from plots import svg
from plots.palette import INK, SOFT
from plots.scales import Scale, scale_over

_DOT, _PAPER_DOT = 3.4, 2.2
_TALLEST = 84.0  # units for the highest pile of dots


@dataclass(frozen=True)
class Strip:
    """The participants' differences on one question, their mean and its interval, and the words at the right."""

    name: str
    differences: tuple[float, ...]
    mean: float | None
    ci: Sequence[float] | None
    words: str


@dataclass(frozen=True)
class Differences:
    """Piles of dots per question on one scale, with the mean and its interval under each."""

    key: str
    title: str
    strips: tuple[Strip, ...]
    axis: str

    @property
    def svg(self) -> str:
        """The drawing for a page."""
        scale = self._scale(svg.MARGIN, svg.WIDTH - svg.MARGIN)
        parts: list[str] = []
        y = 0.0
        for strip in self.strips:
            drawn, height = _on_screen(strip, scale, y)
            parts += drawn
            y += height
        behind = svg.bottom_axis(scale, y, 0, name=self.axis, signed=True)
        behind.append(svg.line(scale.at(0), 0, scale.at(0), y, colour=SOFT, dash="4 3"))
        description = "; ".join(f"{strip.name}: {strip.words}" for strip in self.strips)
        return svg.picture(self.key, self.title, description, y + 38, behind + parts)

    @property
    def rows(self) -> list[Row]:
        """The numbers drawn: a line per dot, then one per mean."""
        dots = [(strip.name, "participant", value, None, None) for strip in self.strips for value in strip.differences]
        means = [(strip.name, "mean", strip.mean, *(strip.ci or (None, None))) for strip in self.strips]
        return [("question", "kind", "difference", "ci_low", "ci_high"), *dots, *means]

    def paper(self, width: float) -> Paper:
        """Return the drawing for a paper."""
        paper = Paper(width)
        scale = self._scale(MARGIN, paper.width - MARGIN)
        y = 2.0
        for strip in self.strips:
            y = _on_paper(paper, strip, scale, y)
        paper.line(scale.at(0), 0, scale.at(0), y, colour=SOFT, style="--")
        return paper.close(paper.axis(scale, y, name=self.axis, signed=True))

    def split(self, most: int) -> "list[Differences]":
        """Return itself: there are few questions in a study."""
        return [self]

    def _scale(self, start: float, end: float) -> Scale:
        values = [value for strip in self.strips for value in (*strip.differences, *(strip.ci or ()))]
        largest = max((abs(value) for value in values), default=1.0) or 1.0
        return scale_over((-largest, largest), start, end, ticks=6)


def _on_screen(strip: Strip, scale: Scale, top: float) -> tuple[list[str], float]:
    dots, height = _piled(strip, scale, _DOT, _TALLEST)
    ground = top + 22 + height
    parts = [
        svg.behind(0, top + 12, f"{strip.name}  "),
        svg.behind(svg.WIDTH, top + 12, strip.words, anchor="end"),
        svg.label(0, top + 12, strip.name, bold=True),
        svg.label(svg.WIDTH, top + 12, strip.words, anchor="end", colour=SOFT),
    ]
    parts += [svg.mark(x, ground - above, 0, size=_DOT - 0.3, opacity=0.75) for x, above in dots]
    parts.append(svg.line(scale.start, ground + 1, scale.end, ground + 1, colour=SOFT, width=0.75))
    y = ground + 12
    if strip.ci is not None:
        parts += svg.interval(strip.ci, scale, y, colour=INK)
    if strip.mean is not None:
        parts.append(svg.mark(scale.at(strip.mean), y, 1))
    return parts, ground + 28 - top


def _on_paper(paper: Paper, strip: Strip, scale: Scale, top: float) -> float:
    dots, height = _piled(strip, scale, _PAPER_DOT, _TALLEST * 0.7)
    ground = top + 13 + height
    paper.text(0, top + 8, fitting(strip.name, paper.width - width_of(strip.words) - 4))
    paper.text(paper.width, top + 8, fitting(strip.words, paper.width), anchor="right", colour=SOFT)
    xs, above = [x for x, _ in dots], [ground - above for _, above in dots]
    paper.marks(xs, above, 0, size=2 * _PAPER_DOT - 0.4, opacity=0.75)
    paper.line(scale.start, ground + 0.5, scale.end, ground + 0.5, colour=SOFT)
    if strip.ci is not None:
        paper.interval(strip.ci, scale, ground + 7, colour=INK)
    if strip.mean is not None:
        paper.marks([scale.at(strip.mean)], [ground + 7], 1)
    return ground + 16


def _piled(strip: Strip, scale: Scale, dot: float, tallest: float) -> tuple[list[tuple[float, float]], float]:
    """Return where dots stand, (x, above the ground), and how high the highest pile is."""
    piles = Counter(round(scale.at(value) / (2 * dot)) for value in strip.differences)
    highest = max(piles.values(), default=1)
    step = min(2 * dot, tallest / highest)
    return list(_places(piles, dot, step)), highest * step


def _places(piles: Counter[int], dot: float, step: float) -> Iterator[tuple[float, float]]:
    for place, height in sorted(piles.items()):
        for number in range(height):
            yield place * 2 * dot, step * (number + 0.5)
