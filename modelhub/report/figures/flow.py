"""Who came, who left, and whose ratings were analysed."""

from dataclasses import dataclass
from textwrap import wrap

from modelhub.report.figures.drawing import Row
from modelhub.report.figures.paper import Paper
from plots import svg
from plots.palette import INK

_HEIGHT, _GAP = 30.0, 20.0
_MAIN, _SIDE = 170.0, 216.0
_WRAP = 34  # characters in the box at the side


@dataclass(frozen=True)
class FlowChart:
    """The steps as boxes from top to bottom, and those who left as one box beside the last arrow."""

    key: str
    title: str
    steps: tuple[tuple[str, int], ...]
    leaving: tuple[tuple[str, int], ...]

    @property
    def svg(self) -> str:
        """The drawing for a page."""
        boxes, arrows, aside, height = self._layout()
        parts: list[str] = []
        for y, words in boxes:
            parts.append(svg.box(0.5, y + 0.5, _MAIN, _HEIGHT, fill="#ffffff", stroke=INK))
            parts.append(svg.label(_MAIN / 2, y + 19, words, anchor="middle"))
        for start, end in arrows:
            head = f"{_MAIN / 2 - 4:g},{end - 7:g} {_MAIN / 2 + 4:g},{end - 7:g} {_MAIN / 2:g},{end:g}"
            parts.append(svg.line(_MAIN / 2, start, _MAIN / 2, end - 6, colour=INK))
            parts.append(svg.element("polygon", points=head, fill=INK))
        if aside is not None:
            y, tall, left = aside, 14.0 * len(self._beside) + 16, svg.WIDTH - _SIDE
            parts.append(svg.line(_MAIN / 2, y + tall / 2, left, y + tall / 2, colour=INK))
            parts.append(svg.box(left - 0.5, y + 0.5, _SIDE, tall, fill="#ffffff", stroke=INK))
            parts += [svg.label(left + 8, y + 18 + 14 * number, text) for number, text in enumerate(self._beside)]
        description = "; ".join(f"{name}: {count}" for name, count in (*self.steps, *self.leaving))
        return svg.picture(self.key, self.title, description, height, parts)

    @property
    def rows(self) -> list[Row]:
        """The numbers drawn."""
        return [("place", "name", "people"), *(("step", *step) for step in self.steps),
                *(("left", *left) for left in self.leaving)]  # fmt: skip

    def paper(self, width: float) -> Paper:
        """Return the drawing for a paper: the page's layout, made as small as the width asks for."""
        paper = Paper(width)
        share = min(paper.width / svg.WIDTH, 0.75)
        boxes, arrows, aside, height = self._layout()
        middle = _MAIN / 2 * share
        for start, end in arrows:
            paper.line(middle, start * share, middle, end * share, colour=INK)
            paper.axes.plot([middle], [end * share - 2], "v", color=INK, markersize=4)
        for y, words in boxes:
            paper.box(0.5, y * share + 0.5, _MAIN * share, _HEIGHT * share, fill="#ffffff", stroke=INK)
            paper.text(middle, (y + 19) * share, words, anchor="center")
        if aside is not None:
            left, tall = (svg.WIDTH - _SIDE) * share, (14.0 * len(self._beside) + 16) * share
            at = aside * share + tall / 2
            paper.line(middle, at, left, at, colour=INK)
            paper.box(left - 0.5, aside * share, _SIDE * share, tall, fill="#ffffff", stroke=INK)
            for number, text in enumerate(self._beside):
                paper.text(left + 6, (aside + 18 + 14 * number) * share, text)
        return paper.close((height + 1) * share)

    def split(self, most: int) -> "list[FlowChart]":
        """Return itself: there are few steps."""
        return [self]

    @property
    def _beside(self) -> list[str]:
        named = (f"{name} (n = {count})" for name, count in self.leaving)
        return [part for text in named for part in wrap(text, _WRAP, subsequent_indent="\N{EM SPACE}")]

    def _layout(self) -> tuple[list[tuple[float, str]], list[tuple[float, float]], float | None, float]:
        """Return boxes (top, words), arrows (start, end), the top of the box at the side, and the height of all."""
        boxes: list[tuple[float, str]] = []
        arrows: list[tuple[float, float]] = []
        aside, y = None, 0.0
        beside = 14.0 * len(self._beside) + 16
        for number, (name, count) in enumerate(self.steps):
            last = bool(self.leaving) and number == len(self.steps) - 1
            if last:
                aside = y - _GAP + 6
                y += beside - _GAP + 12
            if number:
                arrows.append((y - (beside + 12 if last else _GAP), y))
            boxes.append((y, f"{name} (n = {count})"))
            y += _HEIGHT + _GAP
        return boxes, arrows, aside, y - _GAP + 2
