"""Length against rating."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from plots import svg
from plots.fitting import fitting
from plots.palette import INK, SOFT
from plots.scales import Scale, scale_over

MOST_POINTS = 500  # more would hide each other and make a page heavy
_LEFT, _STEP = 96.0, 40.0
_GOLDEN = 0.618033988749895


def scatter_figure(
    key: str,
    title: str,
    points: Sequence[tuple[float, int, int]],
    *,
    names: Sequence[str],
    values: Sequence[tuple[int, str]],
    axis: str,
) -> str:
    """Return points (x, rating, series) with one band per rating, the highest on top, and each series' median as a bar.

    Points are spread within their band, always in the same way; every so many are drawn where there are too many.
    """
    scale = scale_over([0.0, *(x for x, _, _ in points)], _LEFT, svg.WIDTH - svg.MARGIN)
    bands = {value: (len(values) - 1 - place) * _STEP for place, (value, _) in enumerate(values)}
    bottom = len(values) * _STEP
    parts = svg.bottom_axis(scale, bottom, 0, name=axis)
    for value, text in values:
        words = fitting(f"{value} {text}".strip(), _LEFT - 4)
        parts.append(svg.line(0, bands[value], scale.end, bands[value], width=0.75))
        parts.append(svg.label(0, bands[value] + _STEP / 2 + 4, words, colour=SOFT))
    step = -(-len(points) // MOST_POINTS) or 1
    lane = _STEP / max(len(names), 1)
    for place, (x, value, series) in enumerate(points[::step]):
        spread = (place * _GOLDEN % 1) * (lane - 6) + 3
        parts.append(svg.mark(scale.at(x), bands[value] + series * lane + spread, series, size=2.2, opacity=0.5))
    parts += _medians(points, scale, bands, lane)
    entries = [(svg.mark(0, 0, place), name) for place, name in enumerate(names)]
    under, height = svg.legend(entries, bottom + 46)
    description = f"{len(points)} ratings of {', '.join(names)}; the table has the medians."
    return svg.picture(key, title, description, bottom + 40 + height, parts + under)


def _medians(points: Sequence[tuple[float, int, int]], scale: Scale, bands: dict[int, float], lane: float) -> list[str]:
    groups: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for x, value, series in points:
        groups[value, series].append(x)
    parts = []
    for (value, series), group in sorted(groups.items()):
        x, top = scale.at(median(group)), bands[value] + series * lane
        parts.append(svg.line(x, top + 2, x, top + lane - 2, colour=INK, width=2.5))
    return parts
