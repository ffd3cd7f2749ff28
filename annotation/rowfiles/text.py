"""Files of text, opened in the encoding they are in; what cannot be told for sure is refused, not guessed."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from annotation.rowfiles.records import RowProblem, gettext_noop

_UTF16 = gettext_noop("The file is in UTF-16.")
_MARKS = {
    codecs.BOM_UTF8: ("utf-8-sig", ""),
    codecs.BOM_UTF16_LE: ("utf-16", _UTF16),
    codecs.BOM_UTF16_BE: ("utf-16", _UTF16),
}
_HEAD = 4096  # bytes in which a file without a mark shows that it is none of ours
_LINE = 1 << 20  # bytes looked at in one piece for what is no UTF-8
SAVE = "save it as CSV UTF-8"
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


class NotText(Exception):
    """A file is in no encoding that can be read; `problem` says which line and what would be right."""

    def __init__(self, problem: RowProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@contextmanager
def opened_text(path: Path, notes: list[str], *, newline: str | None) -> Iterator[TextIO]:
    """Open a file of text; UTF-16 with its mark is read and told. Raises NotText, also while read, and OSError."""
    encoding, told = _encoding(path)
    notes += filter(None, [told])
    with path.open(encoding=encoding, newline=newline) as handle:
        try:
            yield handle
        except UnicodeDecodeError as error:
            raise NotText(_undecodable(path, encoding)) from error


def _encoding(path: Path) -> tuple[str, str]:
    with path.open("rb") as handle:
        head = handle.read(_HEAD)
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise NotText(RowProblem(None, f"is in UTF-32, which hardly any program writes; {SAVE}"))
    if head.startswith(_SPREADSHEETS):
        raise NotText(RowProblem(None, f"is a spreadsheet or an archive under another name; open it, and {SAVE}"))
    for mark, found in _MARKS.items():
        if head.startswith(mark):
            return found
    if b"\x00" in head[:2]:
        raise NotText(RowProblem(1, f"is not UTF-8 here, but seems to be UTF-16 without its mark; {SAVE}"))
    return "utf-8", ""


def _undecodable(path: Path, encoding: str) -> RowProblem:
    if encoding == "utf-16":
        return RowProblem(None, f"is not whole UTF-16; {SAVE}")
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    with path.open("rb") as handle:
        while piece := handle.readline(_LINE):
            try:
                decoder.decode(piece)
            except UnicodeDecodeError as error:
                message = f"byte 0x{error.object[error.start]:02x} is not UTF-8 here"
                line += error.object[: error.start].count(b"\r") if b"\n" not in piece else 0  # lines of an old Mac
                return RowProblem(line, f"{message}; save the file in the encoding UTF-8 ({SAVE}, in a spreadsheet)")
            line += piece.count(b"\n") or piece.count(b"\r")
    return RowProblem(line, "ends within a character; save the file in the encoding UTF-8")
