"""A report before it has a format: sections of paragraphs, tables and figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from modelhub.stats.numbers import decimal, interval, percent, percent_interval, probability, reason, warning

Raw = str | float | int | bool | None | Sequence[float]


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

    @property
    def notes(self) -> dict[str, str]:
        """The notes under the table: words -> letter, in the order in which cells refer to them."""
        found = dict.fromkeys(note for row in self.rows for cell in row for note in cell.notes)
        return {note: _letter(number) for number, note in enumerate(found)}

    @property
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
    def full_caption(self) -> str:
        """The caption with the notes behind it."""
        return " ".join([self.caption, *(f"{letter}: {note}." for note, letter in self.notes.items())])


@dataclass(frozen=True)
class Figure:
    """An SVG drawing with a caption; `numbers` is the key of the table that holds what it shows."""

    key: str
    title: str
    caption: str
    svg: str
    numbers: str
    kind: ClassVar[str] = "figure"


@dataclass(frozen=True)
class Paragraph:
    """Plain text. A `notice` is set apart."""

    text: str
    is_notice: bool = False
    kind: ClassVar[str] = "paragraph"


Block = TableBlock | Figure | Paragraph


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    key: str
    title: str
    blocks: tuple[Block, ...]


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
