"""What every figure of a report can do: be drawn on a page and on paper, and say the numbers that it shows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from modelhub.report.figures.paper import Paper

Row = Sequence[str | float | int | None]


class Drawing(Protocol):
    """A figure before it has a format."""

    @property
    def svg(self) -> str:
        """The drawing for a page, as SVG text without style."""

    @property
    def rows(self) -> list[Row]:
        """The numbers drawn, as lines of a table; the first one names its columns."""

    def paper(self, width: float) -> "Paper":
        """Return the drawing for a paper, `width` inches wide."""

    def split(self, most: int) -> "Sequence[Drawing]":
        """Return the drawing as several of at most `most` rows each; itself where it has no more."""
