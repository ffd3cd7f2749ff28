"""Estimates with their intervals, one under the other."""

from collections.abc import Sequence

from plots import svg
from plots.estimates import Estimate
from plots.fitting import fitting, width_of
from plots.palette import SOFT, colour_of
from plots.scales import Scale, scale_over

_ROW = 32.0


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
) -> str:
    """Return the estimates on one scale: `bounds` and more where needed; a dashed line at `reference`.

    What lies beyond `most` from 0 is cut off: there an interval ends without its bar.
    """
    extent = _extent(estimates, bounds, reference)
    if most is not None:
        extent = [min(max(value, -most), most) for value in extent]
    scale = scale_over(extent, svg.MARGIN, svg.WIDTH - svg.MARGIN)
    parts: list[str] = []
    y, heading = 0.0, ""
    for estimate in estimates:
        if estimate.heading and estimate.heading != heading:
            shown = fitting(estimate.heading, svg.WIDTH)
            parts += [svg.behind(0, y + 13, f"{shown}  "), svg.label(0, y + 13, shown, bold=True)]
            y += 18
            heading = estimate.heading
        parts += _drawn(estimate, scale, y)
        y += _ROW
    behind = svg.bottom_axis(scale, y + 2, 0, name=axis, signed=signed)
    if reference is not None:
        at = scale.at(reference)
        behind.append(svg.line(at, 0, at, y + 2, colour=SOFT, dash="4 3"))
    description = "; ".join(
        f"{' '.join(filter(None, (estimate.heading, estimate.name)))}: {estimate.words}" for estimate in estimates
    )
    return svg.picture(key, title, description, y + 40, behind + parts)


def _extent(estimates: Sequence[Estimate], bounds: tuple[float, float] | None, reference: float | None) -> list[float]:
    values = [] if reference is None else [reference]
    values += bounds or ()
    for estimate in estimates:
        values += [estimate.value] if estimate.value is not None else []
        values += estimate.ci or ()
    return values


def _drawn(estimate: Estimate, scale: Scale, top: float) -> list[str]:
    room = svg.WIDTH - width_of(estimate.words) - 8
    name = fitting(estimate.name, room)
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
