"""A figure on paper: matplotlib's object API with one axes, in points from the top, at the width of a column.

matplotlib is imported in functions only, since neither pages nor the start of a command should wait for it.
"""

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from modelhub.report.figures.drawing import Drawing
from plots.palette import GRID, INK, SOFT, colour_of
from plots.scales import Scale

POINTS = 72.0  # in an inch
SIZE = 7.5  # of the words, in points
MARGIN = 12.0  # points beside a scale, so that the labels of its ends fit
WIDTHS = {"single": 3.25, "double": 6.75}  # inches: one column, and two
_NARROWEST, _WIDEST = 2.0, 20.0  # inches
_CHARACTER = 0.52  # mean width of a character, in parts of its size
_MARKS = ("o", "s", "^", "D")
# DejaVu Sans comes with matplotlib; the others where the machine has them, for the scripts that it lacks.
_FAMILIES = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans Arabic", "WenQuanYi Zen Hei", "Arial")
# Type 42 embeds whole TrueType fonts, which publishers ask for. In SVG words are paths: they look alike everywhere.
_FORM = {"pdf.fonttype": 42, "svg.fonttype": "path", "text.parse_math": False, "svg.hashsalt": "report"}
_NO_DATE: dict[str, dict[str, None]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}


class Paper:
    """A drawing that is `width` points wide; y grows downwards, and `close` cuts it at its height."""

    def __init__(self, width: float) -> None:
        from matplotlib.figure import Figure

        self.width = width * POINTS
        self.figure = Figure(figsize=(width, 1))
        self.axes: Any = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()

    def text(self, x: float, y: float, words: str, *, anchor: str = "left", colour: str = INK) -> None:
        """Write words whose baseline is at `y`; `anchor` is left, center or right.

        Of one weight, since embedding a second font would double the time that a figure takes.
        """
        self.axes.text(x, y, words, ha=anchor, va="baseline", color=colour, size=SIZE, zorder=4)

    def line(
        self, x1: float, y1: float, x2: float, y2: float, *, colour: str = GRID, width: float = 0.6, style: str = "-"
    ) -> None:
        """Draw a straight line."""
        self.axes.plot([x1, x2], [y1, y2], color=colour, linewidth=width, linestyle=style, solid_capstyle="butt")

    def box(self, x: float, y: float, width: float, height: float, *, fill: str, stroke: str = "none") -> None:
        """Draw a rectangle."""
        from matplotlib.patches import Rectangle

        self.axes.add_patch(Rectangle((x, y), width, height, facecolor=fill, edgecolor=stroke, linewidth=0.6))

    def marks(
        self, xs: Sequence[float], ys: Sequence[float], series: int, *, size: float = 4.5, opacity: float = 1.0
    ) -> None:
        """Draw the marks of a series, which differ in shape as well as in colour."""
        mark = _MARKS[series % len(_MARKS)]
        self.axes.plot(
            xs, ys, mark, color=colour_of(series), markersize=size, alpha=opacity, markeredgewidth=0, clip_on=False
        )

    def interval(self, limits: Sequence[float], scale: Scale, y: float, *, colour: str) -> None:
        """Draw a line between two limits, with a bar at each end that lies on the scale."""
        self.line(scale.at(limits[0]), y, scale.at(limits[1]), y, colour=colour, width=1.4)
        for limit in limits:
            if scale.low <= limit <= scale.high:
                self.line(scale.at(limit), y - 2.5, scale.at(limit), y + 2.5, colour=colour, width=1.4)

    def axis(self, scale: Scale, y: float, *, name: str, signed: bool = False) -> float:
        """Draw an axis under `y` with its grid lines above, and return where it ends."""
        for tick in scale.ticks:
            self.axes.plot([scale.at(tick)] * 2, [0, y], color=GRID, linewidth=0.5, zorder=0)
            words = (f"{tick:+g}" if signed and tick else f"{tick:g}").replace("-", "\N{MINUS SIGN}")
            self.text(scale.at(tick), y + SIZE + 2, words, anchor="center", colour=SOFT)
        lines = wrapped(name, self.width)
        for number, words in enumerate(lines):
            self.text((scale.start + scale.end) / 2, y + 2.4 * SIZE + 3 + 10 * number, words, anchor="center")
        return y + 2.4 * SIZE + 10 * len(lines)

    def legend(self, entries: Sequence[tuple[int | str, str]], y: float) -> float:
        """Draw marks (by series) or boxes (by colour) with their words in rows from `y`, and return where they end."""
        x = 0.0
        for look, words in entries:
            wide = 12 + width_of(words) + 10
            if x and x + wide > self.width:
                x, y = 0.0, y + 11
            if isinstance(look, int):
                self.marks([x + 4], [y - 2.6], look)
            else:
                self.box(x, y - 6.5, 7, 7, fill=look, stroke=SOFT)
            self.text(x + 11, y, fitting(words, self.width - 12), colour=SOFT)
            x += wide
        return y + 5

    def close(self, height: float) -> "Paper":
        """Cut the drawing at `height` points."""
        self.figure.set_size_inches(self.width / POINTS, height / POINTS)
        self.axes.set_xlim(0, self.width)
        self.axes.set_ylim(height, 0)
        return self


def printed(drawing: Drawing, width: float, forms: Sequence[str] = ("pdf", "svg")) -> Iterator[tuple[str, bytes]]:
    """Yield the drawing as a file of each form, `width` inches wide; the same drawing gives the same bytes."""
    with _form():
        paper = drawing.paper(width)
        for form in forms:
            sink = io.BytesIO()
            paper.figure.savefig(sink, format=form, metadata=_NO_DATE[form])
            yield form, sink.getvalue()


@contextmanager
def _form() -> Iterator[None]:
    import matplotlib as mpl
    from matplotlib import font_manager

    for name in ("fontTools", "matplotlib"):  # they tell of every table of every font
        logging.getLogger(name).setLevel(logging.WARNING)
    known = set(font_manager.get_font_names())
    with mpl.rc_context({**_FORM, "font.family": [name for name in _FAMILIES if name in known]}):  # type: ignore[dict-item]
        yield


def width_in_inches(text: str) -> float:
    """Return the width that `single`, `double` or a number of inches names. Raises ValueError."""
    if text in WIDTHS:
        return WIDTHS[text]
    try:
        width = float(text)
    except ValueError:
        width = 0.0
    if not _NARROWEST <= width <= _WIDEST:
        raise ValueError(f"{text!r} is no width; write single, double, or inches from {_NARROWEST:g} to {_WIDEST:g}")
    return width


def width_of(words: str) -> float:
    """Return about how many points words take."""
    return len(words) * SIZE * _CHARACTER


def fitting(words: str, width: float) -> str:
    """Return the words as far as they fit into `width` points; the table behind the drawing has them in full."""
    most = max(int(width / (SIZE * _CHARACTER)), 2)
    return words if len(words) <= most else f"{words[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def wrapped(words: str, width: float) -> list[str]:
    """Return the words in lines that fit into `width` points."""
    from textwrap import wrap

    return wrap(words, max(int(width / (SIZE * _CHARACTER)), 8)) or [""]
