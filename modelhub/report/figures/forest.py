"""Estimates with their intervals, one under the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from modelhub.report.figures.drawing import Row
from modelhub.report.figures.paper import MARGIN, Paper, fitting, width_of
from plots import fitting as screen
from plots import svg
from plots.estimates import Estimate
from plots.palette import SOFT, colour_of
from plots.scales import Scale, scale_over

_ROW, _PAPER_ROW = 32.0, 24.0
_INDENT = 8.0  # points, of what stands under a heading


@dataclass(frozen=True)
class Forest:
    """Estimates on one scale: `bounds` and more where needed; a dashed line at `reference`.

    What lies beyond `most` from 0 is cut off: there an interval ends without its bar.
    """

    key: str
    title: str
    estimates: tuple[Estimate, ...]
    axis: str
    bounds: tuple[float, float] | None = None
    reference: float | None = None
    signed: bool = False
    most: float | None = None

    @property
    def svg(self) -> str:
        """The drawing for a page."""
        scale = self._scale(svg.MARGIN, svg.WIDTH - svg.MARGIN)
        parts: list[str] = []
        y, heading = 0.0, ""
        for estimate in self.estimates:
            if estimate.heading and estimate.heading != heading:
                shown = screen.fitting(estimate.heading, svg.WIDTH)
                parts += [svg.behind(0, y + 13, f"{shown}  "), svg.label(0, y + 13, shown, bold=True)]
                y += 18
                heading = estimate.heading
            parts += _on_screen(estimate, scale, y)
            y += _ROW
        behind = svg.bottom_axis(scale, y + 2, 0, name=self.axis, signed=self.signed)
        if self.reference is not None:
            at = scale.at(self.reference)
            behind.append(svg.line(at, 0, at, y + 2, colour=SOFT, dash="4 3"))
        description = "; ".join(f"{_full_name(estimate)}: {estimate.words}" for estimate in self.estimates)
        return svg.picture(self.key, self.title, description, y + 40, behind + parts)

    @property
    def rows(self) -> list[Row]:
        """The numbers drawn."""
        head = ("group", "name", "estimate", "ci_low", "ci_high", "written")
        return [head, *((one.heading, one.name, one.value, *(one.ci or (None, None)), one.words)
                        for one in self.estimates)]  # fmt: skip

    def paper(self, width: float) -> Paper:
        """Return the drawing for a paper."""
        paper = Paper(width)
        scale = self._scale(MARGIN, paper.width - MARGIN)
        y, heading = 2.0, ""
        for estimate in self.estimates:
            if estimate.heading and estimate.heading != heading:
                paper.text(0, y + 8, fitting(estimate.heading, paper.width))
                y += 12
                heading = estimate.heading
            _on_paper(paper, estimate, scale, y)
            y += _PAPER_ROW
        if self.reference is not None:
            at = scale.at(self.reference)
            paper.line(at, 0, at, y, colour=SOFT, style="--")
        return paper.close(paper.axis(scale, y, name=self.axis, signed=self.signed))

    def split(self, most: int) -> "list[Forest]":
        """Return forests of at most `most` rows on one scale; rows under one heading stay together if they can."""
        if len(self.estimates) <= most:
            return [self]
        extent = self._extent()
        parts: list[list[Estimate]] = [[]]
        for _, group in groupby(self.estimates, key=lambda one: one.heading):
            rows = list(group)
            if parts[-1] and (len(parts[-1]) + len(rows) > most or not rows[0].heading):
                parts.append([])
            for start in range(0, len(rows), most):
                parts += [[]] if start else []
                parts[-1] += rows[start : start + most]
        return [
            replace(self, key=self.key if number == 1 else f"{self.key}-{number}", estimates=tuple(rows),
                    bounds=(min(extent), max(extent)))
            for number, rows in enumerate(parts, 1)
        ]  # fmt: skip

    def _scale(self, start: float, end: float) -> Scale:
        return scale_over(self._extent(), start, end)

    def _extent(self) -> list[float]:
        values = [*([] if self.reference is None else [self.reference]), *(self.bounds or ())]
        for estimate in self.estimates:
            values += [estimate.value] if estimate.value is not None else []
            values += estimate.ci or ()
        if self.most is not None:
            values = [min(max(value, -self.most), self.most) for value in values]
        return values or [0.0, 1.0]


def forest_figure(
    key: str,
    title: str,
    estimates: Sequence[Estimate],
    *,
    axis: str,
    bounds: tuple[float, float] | None = None,
    reference: float | None = None,
    signed: bool = False,
    most: float | None = None,
) -> Forest:
    """Return the estimates as a drawing; see `Forest`."""
    return Forest(key, title, tuple(estimates), axis, bounds, reference, signed, most)


def _full_name(estimate: Estimate) -> str:
    return " ".join(filter(None, (estimate.heading, estimate.name)))


def _on_screen(estimate: Estimate, scale: Scale, top: float) -> list[str]:
    room = svg.WIDTH - screen.width_of(estimate.words) - 8
    name = screen.fitting(estimate.name, room)
    parts = [
        svg.behind(0, top + 12, name),
        svg.behind(svg.WIDTH, top + 12, estimate.words, anchor="end"),
        svg.label(0, top + 12, name),
        svg.label(svg.WIDTH, top + 12, estimate.words, anchor="end", colour=SOFT),
    ]
    y = top + 22
    if estimate.ci is not None:
        parts += svg.interval(estimate.ci, scale, y, colour=colour_of(estimate.series))
    if estimate.value is not None:
        parts.append(svg.mark(scale.at(estimate.value), y, estimate.series))
    return parts


def _on_paper(paper: Paper, estimate: Estimate, scale: Scale, top: float) -> None:
    left = _INDENT if estimate.heading else 0.0
    room = paper.width - width_of(estimate.words) - 4 - left
    paper.text(left, top + 8, fitting(estimate.name, room))
    paper.text(paper.width, top + 8, fitting(estimate.words, paper.width), anchor="right", colour=SOFT)
    y = top + 15
    if estimate.ci is not None:
        paper.interval(estimate.ci, scale, y, colour=colour_of(estimate.series))
    if estimate.value is not None:
        paper.marks([scale.at(estimate.value)], [y], estimate.series)
