"""How often each value was given, as bars of 100 %."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelhub.report.figures.drawing import Row
from modelhub.report.figures.paper import Paper, fitting, width_of
from plots import fitting as screen
from plots import svg
from plots.palette import GRID, INK, SOFT, shade

_ROW, _BAR = 40.0, 18.0
_PAPER_ROW, _PAPER_BAR = 30.0, 13.0
_WRITTEN = 0.07  # shares from this on are written in their part of the bar


@dataclass(frozen=True)
class Shares:
    """One bar: a name, how often each value was given (in the order of the scale), and words at its right."""

    name: str
    counts: tuple[int, ...]
    words: str


@dataclass(frozen=True)
class Distribution:
    """One bar per entry, light for the lowest value, dark for the highest; shares from 7 % on are written."""

    key: str
    title: str
    bars: tuple[Shares, ...]
    labels: tuple[str, ...]

    @property
    def svg(self) -> str:
        """The drawing for a page."""
        parts: list[str] = []
        for number, bar in enumerate(self.bars):
            top = number * _ROW
            parts.append(svg.label(0, top + 12, screen.fitting(bar.name, 250), bold=True))
            parts.append(svg.label(svg.WIDTH, top + 12, bar.words, anchor="end", colour=SOFT))
            parts += _on_screen(bar.counts, top + 17)
        entries = [(svg.box(-5, -5, 10, 10, fill=colour), text) for colour, text in self._legend]
        under, height = svg.legend(entries, len(self.bars) * _ROW + 12)
        description = "; ".join(f"{bar.name}: {', '.join(map(str, bar.counts))} ({bar.words})" for bar in self.bars)
        return svg.picture(self.key, self.title, description, len(self.bars) * _ROW + 8 + height, parts + under)

    @property
    def rows(self) -> list[Row]:
        """The numbers drawn: a line per part of a bar."""
        return [
            ("name", "value", "count", "share"),
            *(
                (bar.name, label, count, count / sum(bar.counts) if sum(bar.counts) else None)
                for bar in self.bars
                for label, count in zip(self.labels, bar.counts, strict=True)
            ),
        ]

    def paper(self, width: float) -> Paper:
        """Return the drawing for a paper."""
        paper = Paper(width)
        for number, bar in enumerate(self.bars):
            top = number * _PAPER_ROW + 1
            paper.text(0, top + 8, fitting(bar.name, paper.width - width_of(bar.words) - 4))
            paper.text(paper.width, top + 8, bar.words, anchor="right", colour=SOFT)
            _on_paper(paper, bar.counts, top + 11)
        return paper.close(paper.legend(self._legend, len(self.bars) * _PAPER_ROW + 10))

    def split(self, most: int) -> "list[Distribution]":
        """Return itself: there is one bar per system."""
        return [self]

    @property
    def _legend(self) -> list[tuple[str, str]]:
        return [(shade(place, len(self.labels)), text) for place, text in enumerate(self.labels)]


def _parts(counts: Sequence[int], width: float) -> Iterator[tuple[float, float, int, str, str]]:
    """Yield (left, width, place of the value, what is written, in which colour) of every value that was given."""
    total, x = sum(counts), 0.0
    for place, count in enumerate(counts):
        wide = width * count / total
        words = f"{100 * count / total:.0f} %" if count / total >= _WRITTEN else ""
        if count:
            yield x, wide, place, words, "#ffffff" if place * 2 >= len(counts) - 1 else INK
        x += wide


def _on_screen(counts: Sequence[int], top: float) -> list[str]:
    if not sum(counts):
        return [svg.box(0, top, svg.WIDTH, _BAR, fill="none", stroke=GRID)]
    parts = []
    for x, width, place, words, colour in _parts(counts, svg.WIDTH):
        parts.append(svg.box(x, top, width, _BAR, fill=shade(place, len(counts)), stroke="#ffffff"))
        if words:
            parts.append(svg.label(x + width / 2, top + 13, words, anchor="middle", size=10, colour=colour))
    return parts


def _on_paper(paper: Paper, counts: Sequence[int], top: float) -> None:
    if not sum(counts):
        paper.box(0, top, paper.width, _PAPER_BAR, fill="none", stroke=GRID)
        return
    for x, width, place, words, colour in _parts(counts, paper.width):
        paper.box(x, top, width, _PAPER_BAR, fill=shade(place, len(counts)), stroke="#ffffff")
        if width_of(words) < width:
            paper.text(x + width / 2, top + _PAPER_BAR - 4, words, anchor="center", colour=colour)
