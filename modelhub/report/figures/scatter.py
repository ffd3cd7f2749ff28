"""Length against rating."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from modelhub.report.figures.drawing import Row
from modelhub.report.figures.paper import MARGIN, Paper
from modelhub.report.figures.paper import fitting as fitting_on_paper
from plots import svg
from plots.fitting import fitting
from plots.palette import INK, SOFT
from plots.scales import Scale, scale_over

MOST_POINTS = 500  # more would hide each other and make a page heavy
_LEFT, _STEP = 96.0, 40.0
_PAPER_LEFT, _PAPER_STEP = 62.0, 26.0
_GOLDEN = 0.618033988749895


@dataclass(frozen=True)
class Scatter:
    """Points (x, rating, series) with one band per rating, the highest on top; each series' median as a bar.

    Points are spread within their band, always in the same way; every so many are drawn where there are too many.
    Medians are those of all points.
    """

    key: str
    title: str
    points: tuple[tuple[float, int, int], ...]
    names: tuple[str, ...]
    values: tuple[tuple[int, str], ...]
    axis: str

    @property
    def svg(self) -> str:
        """The drawing for a page."""
        scale = self._scale(_LEFT, svg.WIDTH - svg.MARGIN)
        bottom, lane = len(self.values) * _STEP, self._lane(_STEP)
        parts = svg.bottom_axis(scale, bottom, 0, name=self.axis)
        bands = self._bands(_STEP)
        for value, text in self.values:
            words = fitting(f"{value} {text}".strip(), _LEFT - 4)
            parts.append(svg.line(0, bands[value], scale.end, bands[value], width=0.75))
            parts.append(svg.label(0, bands[value] + _STEP / 2 + 4, words, colour=SOFT))
        for x, y, series in self._placed(scale, _STEP, 3):
            parts.append(svg.mark(x, y, series, size=2.2, opacity=0.5))
        for middle, value, series in self._medians:
            x, top = scale.at(middle), bands[value] + series * lane
            parts.append(svg.line(x, top + 2, x, top + lane - 2, colour=INK, width=2.5))
        entries = [(svg.mark(0, 0, place), name) for place, name in enumerate(self.names)]
        under, height = svg.legend(entries, bottom + 46)
        description = f"{len(self.points)} ratings of {', '.join(self.names)}; the table has the medians."
        return svg.picture(self.key, self.title, description, bottom + 40 + height, parts + under)

    @property
    def rows(self) -> list[Row]:
        """The numbers drawn: a line per point, then one per median."""
        lines = [("point", self.names[series], value, x) for x, value, series in self._drawn]
        middles = [("median", self.names[series], value, x) for x, value, series in self._medians]
        return [("kind", "condition", "rating", "words"), *lines, *middles]

    def paper(self, width: float) -> Paper:
        """Return the drawing for a paper."""
        paper = Paper(width)
        scale = self._scale(_PAPER_LEFT, paper.width - MARGIN)
        bottom, lane, bands = len(self.values) * _PAPER_STEP, self._lane(_PAPER_STEP), self._bands(_PAPER_STEP)
        for value, text in self.values:
            paper.line(0, bands[value], scale.end, bands[value], width=0.4)
            words = fitting_on_paper(f"{value} {text}".strip(), _PAPER_LEFT - 2)
            paper.text(0, bands[value] + _PAPER_STEP / 2 + 3, words, colour=SOFT)
        placed = list(self._placed(scale, _PAPER_STEP, 2))
        for series in range(len(self.names)):
            own = [(x, y) for x, y, of in placed if of == series]
            paper.marks([x for x, _ in own], [y for _, y in own], series, size=2.2, opacity=0.5)
        for middle, value, series in self._medians:
            x, top = scale.at(middle), bands[value] + series * lane
            paper.line(x, top + 1, x, top + lane - 1, colour=INK, width=1.8)
        y = paper.axis(scale, bottom, name=self.axis)
        return paper.close(paper.legend(list(enumerate(self.names)), y + 10))

    def split(self, most: int) -> "list[Scatter]":
        """Return itself: there are as many bands as the scale has values."""
        return [self]

    def _scale(self, start: float, end: float) -> Scale:
        return scale_over([0.0, *(x for x, _, _ in self.points)], start, end)

    def _bands(self, step: float) -> dict[int, float]:
        return {value: (len(self.values) - 1 - place) * step for place, (value, _) in enumerate(self.values)}

    def _lane(self, step: float) -> float:
        return step / max(len(self.names), 1)

    @property
    def _drawn(self) -> tuple[tuple[float, int, int], ...]:
        return self.points[:: -(-len(self.points) // MOST_POINTS) or 1]

    def _placed(self, scale: Scale, step: float, margin: float) -> Iterator[tuple[float, float, int]]:
        bands, lane = self._bands(step), self._lane(step)
        for place, (x, value, series) in enumerate(self._drawn):
            spread = (place * _GOLDEN % 1) * (lane - 2 * margin) + margin
            yield scale.at(x), bands[value] + series * lane + spread, series

    @property
    def _medians(self) -> list[tuple[float, int, int]]:
        groups: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
        for x, value, series in self.points:
            groups[value, series].append(x)
        return [(median(group), value, series) for (value, series), group in sorted(groups.items())]
