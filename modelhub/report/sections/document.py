"""A report before it has a format: sections of paragraphs, tables and figures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Literal

from modelhub.report.figures.drawing import Drawing
from modelhub.stats.numbers import decimal, interval, percent, percent_interval, probability, reason, warning

Raw = str | float | int | bool | None | Sequence[float]


_UPRIGHT = 9  # columns that an upright page holds


@dataclass(frozen=True)
class Cell:
    """What a table shows (`text`), and what its CSV holds (`raw`).

    `reason` is the code for why `raw` is None, `warnings` are codes for what to be careful about; both become notes.
    """

    text: str
    raw: Raw = None
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What stands in the notes about this cell, in words."""
        return (*([reason(self.reason)] if self.reason else []), *(warning(code) for code in self.warnings))


@dataclass(frozen=True)
class TableColumn:
    """A column; its `key` heads the CSV, where an interval becomes `key_low` and `key_high`."""

    key: str
    title: str
    is_number: bool = True
    is_interval: bool = False


@dataclass(frozen=True)
class TableBlock:
    """A table with a caption that says how to read it. The first cell of a row names the row."""

    key: str
    title: str
    caption: str
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]
    is_folded: bool = False
    kind: ClassVar[str] = "table"

    @cached_property
    def notes(self) -> dict[str, str]:
        """The notes under the table: words -> letter, in the order in which cells refer to them."""
        found = dict.fromkeys(note for row in self.rows for cell in row for note in cell.notes)
        return {note: _letter(number) for number, note in enumerate(found)}

    @cached_property
    def lines(self) -> list[list[tuple[str, bool]]]:
        """The rows as they are shown: (text with the letters of its notes, whether it is a number)."""
        letters = self.notes
        shown = []
        for row in self.rows:
            texts = (
                " ".join(filter(None, (cell.text, ", ".join(letters[note] for note in cell.notes)))) for cell in row
            )
            shown.append([(text, column.is_number) for text, column in zip(texts, self.columns, strict=True)])
        return shown

    @property
    def is_wide(self) -> bool:
        """Whether the table needs a page laid on its side."""
        return len(self.columns) > _UPRIGHT

    @property
    def full_caption(self) -> str:
        """The caption with the notes behind it."""
        return " ".join([self.caption, *(f"{letter}: {note}." for note, letter in self.notes.items())])


@dataclass(frozen=True)
class Figure:
    """A drawing with a caption; `numbers` is the key of the table that holds what it shows, with more beside it."""

    key: str
    title: str
    caption: str
    drawing: Drawing
    numbers: str
    kind: ClassVar[str] = "figure"

    @property
    def svg(self) -> str:
        """The drawing for a page."""
        return self.drawing.svg

    @property
    def csv(self) -> str:
        """The file beside a report's figures that holds exactly the numbers drawn."""
        return f"figures/{self.key}.csv"


@dataclass(frozen=True)
class Paragraph:
    """Plain text. A `notice` is set apart."""

    text: str
    is_notice: bool = False
    kind: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Points:
    """Short texts, one under the other."""

    items: tuple[str, ...]
    kind: ClassVar[str] = "points"


Block = TableBlock | Figure | Paragraph | Points
Place = Literal["answer", "evidence", "appendix"]
MOST_ROWS = 12  # of a figure: more are split


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it. An answer fits on a screen; an appendix is folded on a page."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    place: Place = "evidence"

    def at(self, place: Place, title: str = "") -> "Section":
        """Return the section for another place of the report, under another title if one is given."""
        return replace(self, place=place, title=title or self.title)

    def readable(self) -> "Section":
        """Return the section with its long figures split."""
        return replace(self, blocks=tuple(part for block in self.blocks for part in _readable(block)))


@dataclass(frozen=True)
class Document:
    """A whole report. `facts` stand under its title, `footer` at its end, as (name, text)."""

    title: str
    facts: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]
    sections: tuple[Section, ...]
    footer: tuple[tuple[str, str], ...] = field(default=())

    @property
    def tables(self) -> list[TableBlock]:
        """Every table, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, TableBlock)]

    @property
    def figures(self) -> list[Figure]:
        """Every figure, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Figure)]


def _readable(block: Block) -> Iterator[Block]:
    """Yield the block; a figure of too many rows as several, each with its own numbers."""
    if not isinstance(block, Figure):
        yield block
        return
    drawings = block.drawing.split(MOST_ROWS)
    for number, drawing in enumerate(drawings, 1):
        title = f"{block.title} ({number} of {len(drawings)})" if len(drawings) > 1 else block.title
        yield replace(block, key=block.key if number == 1 else f"{block.key}-{number}", title=title, drawing=drawing)


def words(text: object) -> Cell:
    """Return a cell of text."""
    return Cell(str(text), str(text))


def whole(value: int | None, why: str | None = None) -> Cell:
    """Return a cell with a whole number."""
    return Cell(f"{value:,}", value) if value is not None else _undefined(why)


def number(value: float | None, why: str | None = None, *, digits: int = 2, sign: bool = False) -> Cell:
    """Return a cell with a decimal number, or why there is none."""
    return Cell(decimal(value, digits=digits, sign=sign), value) if value is not None else _undefined(why)


def p_value(value: float | None, why: str | None = None) -> Cell:
    """Return a cell with a p-value, or why there is none."""
    return Cell(probability(value), value) if value is not None else _undefined(why)


def share(value: float | None, why: str | None = None) -> Cell:
    """Return a cell with a share from 0 to 1, shown in percent, or why there is none."""
    return Cell(percent(value), value) if value is not None else _undefined(why)


def share_limits(ci: Sequence[float] | None, why: str | None = None) -> Cell:
    """Return a cell with the interval of a share, shown in percent, or why there is none."""
    return Cell(percent_interval(ci), list(ci)) if ci is not None else _undefined(why)


def warning_marks(codes: Sequence[str]) -> Cell:
    """Return a cell that refers to the notes about these warnings; a CSV has their codes."""
    return Cell("", " ".join(codes), warnings=tuple(codes))


def limits(ci: Sequence[float] | None, why: str | None = None, *, digits: int = 2, sign: bool = False) -> Cell:
    """Return a cell with an interval, or why there is none."""
    return Cell(interval(ci, digits=digits, sign=sign), list(ci)) if ci is not None else _undefined(why)


def _undefined(why: str | None) -> Cell:
    return Cell("\N{EN DASH}", None, why or "")


def _letter(number: int) -> str:
    """Return a, b, …, z, aa, ab, … for 0, 1, …"""
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)
