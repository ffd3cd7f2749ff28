"""The figures of a report as SVG text, with presentation attributes only (no style).

Lengths are in units of the drawing, which is 420 wide and scales with its page.
"""

from collections.abc import Iterable, Sequence
from html import escape

from plots.fitting import width_of
from plots.palette import GRID, INK, SOFT, colour_of
from plots.scales import Scale

WIDTH = 420.0
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
MARGIN = 18.0  # beside a scale, so that the labels of its ends fit
_TIGHT = 0.98  # a legend has a gap after every text, which takes what is wider


def element(name: str, *content: str, **attributes: str | float) -> str:
    """Return an element; `content` is markup, attribute names have `_` for `-`, numbers are rounded."""
    written = "".join(f' {key.replace("_", "-")}="{_attribute(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{''.join(content)}</{name}>" if content else f"<{name}{written}/>"


def label(
    x: float, y: float, text: str, *, anchor: str = "start", size: float = 11, colour: str = INK, bold: bool = False
) -> str:
    """Return text whose baseline is at `y`."""
    weight: dict[str, str] = {"font_weight": "600"} if bold else {}
    return element("text", escape(text), x=x, y=y, text_anchor=anchor, font_size=size, fill=colour, **weight)


def line(x1: float, y1: float, x2: float, y2: float, *, colour: str = GRID, width: float = 1, dash: str = "") -> str:
    """Return a straight line."""
    dashed: dict[str, str] = {"stroke_dasharray": dash} if dash else {}
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=width, **dashed)


def box(x: float, y: float, width: float, height: float, *, fill: str, stroke: str = "none") -> str:
    """Return a rectangle."""
    return element("rect", x=x, y=y, width=width, height=height, fill=fill, stroke=stroke)


def mark(x: float, y: float, series: int, *, size: float = 4, opacity: float = 1) -> str:
    """Return the mark of a series: one of five shapes, of which a circle is the first, in its colour."""
    look: dict[str, str | float] = {"fill": colour_of(series)}
    if opacity < 1:
        look["fill_opacity"] = opacity
    shape = series % 5
    if shape == 0:
        return element("circle", cx=x, cy=y, r=size, **look)
    corners: dict[int, Sequence[tuple[float, float]]] = {
        1: ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
        2: ((0, -1.15), (1.1, 0.8), (-1.1, 0.8)),
        3: ((0, -1.3), (1.2, 0), (0, 1.3), (-1.2, 0)),
        4: ((0, 1.15), (1.1, -0.8), (-1.1, -0.8)),
    }
    points = " ".join(f"{_attribute(x + dx * size)},{_attribute(y + dy * size)}" for dx, dy in corners[shape])
    return element("polygon", points=points, **look)


def interval(limits: Sequence[float], scale: Scale, y: float, *, colour: str) -> list[str]:
    """Return a line between two limits, with a bar at each end that lies on the scale."""
    low, high = (scale.at(limit) for limit in limits)
    ends = [scale.at(limit) for limit in limits if scale.low <= limit <= scale.high]
    bars = [line(x, y - 3.5, x, y + 3.5, colour=colour, width=2) for x in ends]
    return [line(low, y, high, y, colour=colour, width=2), *bars]


def picture(key: str, title: str, description: str, height: float, parts: Iterable[str]) -> str:
    """Return a whole drawing with its title and description for those who do not see it."""
    return element(
        "svg",
        element("title", escape(title), id=f"figure-{key}-title"),
        element("desc", escape(description), id=f"figure-{key}-description"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_attribute(WIDTH)} {_attribute(height)}",
        role="img",
        aria_labelledby=f"figure-{key}-title figure-{key}-description",
        font_family=FONT,
        font_size=11,
    )


def bottom_axis(scale: Scale, y: float, top: float, *, name: str = "", signed: bool = False) -> list[str]:
    """Return grid lines from `top`, tick labels under `y`, and the axis' name under them (34 units in all)."""
    parts = [line(scale.at(tick), top, scale.at(tick), y) for tick in scale.ticks]
    for tick in scale.ticks:
        text = (f"{tick:+g}" if signed and tick else f"{tick:g}").replace("-", "\N{MINUS SIGN}")
        parts.append(label(scale.at(tick), y + 13, text, anchor="middle", size=10, colour=SOFT))
    if name:
        parts.append(label((scale.start + scale.end) / 2, y + 29, name, anchor="middle"))
    return parts


def legend(entries: Sequence[tuple[str, str]], y: float) -> tuple[list[str], float]:
    """Lay out (mark at 0,0; text) pairs in rows from `y`; return the parts and the height they take."""
    parts, x, row = [], 0.0, 0
    for symbol, text in entries:
        width = 16 + width_of(text) * _TIGHT + 8
        if x and x + width > WIDTH + 12:
            x, row = 0.0, row + 1
        at = y + row * 17
        parts.append(element("g", symbol, transform=f"translate({_attribute(x + 6)} {_attribute(at)})"))
        parts.append(label(x + 16, at + 4, text, colour=SOFT))
        x += width
    return parts, (row + 1) * 17.0


def behind(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    """Return white ground for a text on the baseline `y`, so that no grid line runs through it."""
    width = width_of(text) + 6
    left = x - 3 if anchor == "start" else x - width + 3
    return box(left, y - 11, width, 14, fill="#ffffff")


def _attribute(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
