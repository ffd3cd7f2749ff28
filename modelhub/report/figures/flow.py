"""Who came, who left, and whose ratings were analysed."""

from collections.abc import Sequence
from textwrap import wrap

from plots import svg
from plots.palette import INK

_HEIGHT, _GAP = 30.0, 20.0
_MAIN, _SIDE = 170.0, 216.0
_WRAP = 34  # characters in the box at the side


def flow_figure(key: str, title: str, steps: Sequence[tuple[str, int]], leaving: Sequence[tuple[str, int]]) -> str:
    """Return the steps as boxes from top to bottom, and those who left as one box beside the last arrow."""
    parts: list[str] = []
    beside = [
        part
        for name, count in leaving
        for part in wrap(f"{name} (n = {count})", _WRAP, subsequent_indent="\N{EM SPACE}")
    ]
    aside_height = 14.0 * len(beside) + 16
    y = 0.0
    for number, (name, count) in enumerate(steps):
        last = number == len(steps) - 1
        if last and leaving:
            parts += _aside(beside, y, aside_height)
            y += aside_height - _GAP + 12
        if number:
            start = y - (_GAP if not (last and leaving) else aside_height + 12)
            parts += _arrow(_MAIN / 2, start, y)
        parts.append(svg.box(0.5, y + 0.5, _MAIN, _HEIGHT, fill="#ffffff", stroke=INK))
        parts.append(svg.label(_MAIN / 2, y + 19, f"{name} (n = {count})", anchor="middle"))
        y += _HEIGHT + _GAP
    description = "; ".join(f"{name}: {count}" for name, count in (*steps, *leaving))
    return svg.picture(key, title, description, y - _GAP + 2, parts)


def _aside(lines: Sequence[str], top: float, height: float) -> list[str]:
    y = top - _GAP + 6
    left = svg.WIDTH - _SIDE
    parts = [
        svg.line(_MAIN / 2, y + height / 2, left, y + height / 2, colour=INK),
        svg.box(left - 0.5, y + 0.5, _SIDE, height, fill="#ffffff", stroke=INK),
    ]
    parts += [svg.label(left + 8, y + 18 + 14 * number, text) for number, text in enumerate(lines)]
    return parts


def _arrow(x: float, start: float, end: float) -> list[str]:
    head = f"{x - 4:g},{end - 7:g} {x + 4:g},{end - 7:g} {x:g},{end:g}"
    return [svg.line(x, start, x, end - 6, colour=INK), svg.element("polygon", points=head, fill=INK)]
