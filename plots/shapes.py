"""What a page's drawing consists of. Lengths are in the drawing's own units.

A drawing is about 360 units wide, so that on a phone one unit is about one pixel and its words stay readable.
"""

from dataclasses import dataclass

WIDTH = 360.0
AXIS_WIDTH = 40.0  # left of what is drawn over a scale, for the numbers of its ticks


@dataclass(frozen=True)
class Bar:
    """A rectangle; `look` chooses its class, as `palette.look_of` returns it."""

    x: float
    y: float
    width: float
    height: float
    look: str


@dataclass(frozen=True)
class Text:
    """Words at a place; `anchor` is start, middle or end."""

    x: float
    y: float
    words: str
    anchor: str


@dataclass(frozen=True)
class Line:
    """A thin line."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Path:
    """A drawn line; `d` is in the words of SVG. It is broken where no number was measured."""

    d: str
    look: str


@dataclass(frozen=True)
class Circle:
    """A point of a line, or the ring around its best."""

    x: float
    y: float
    radius: float
    look: str


@dataclass(frozen=True)
class Plot:
    """A drawing of `width` by `height` units. `rules` are vertical lines that mark a place of the scale."""

    width: float
    height: float
    bars: tuple[Bar, ...] = ()
    texts: tuple[Text, ...] = ()
    lines: tuple[Line, ...] = ()
    rules: tuple[Line, ...] = ()
    paths: tuple[Path, ...] = ()
    circles: tuple[Circle, ...] = ()


def rounded(length: float) -> float:
    """Return a length as it is written, to a tenth of a unit: finer ones are not seen and make a page heavier."""
    return round(length, 1)
