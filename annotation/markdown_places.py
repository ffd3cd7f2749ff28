"""Where what rendered Markdown shows stands in the text that was typed: in code points, kept with each token. Pure.

Nothing is said of formulas, of the descriptions of images and of addresses, and of a character that was typed as an
entity: a passage may go across them, and neither begins nor ends there.
"""

import re
from collections.abc import Iterator, Sequence
from html import unescape
from string import punctuation

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString
from markdown_it.helpers import parseLinkDestination, parseLinkTitle
from markdown_it.token import Token

Piece = tuple[int | None, str]  # where it begins, None where nobody can say; what is shown
LINE_END = re.compile(r"\r\n?|\n")
_ENTITY = re.compile(r"&(?:#[xX]?[0-9a-fA-F]{1,8}|[A-Za-z0-9]{1,31});")
_BLANKS = re.compile(r"\s*")


def tokens_place(tokens: Sequence[Token], text: str) -> None:
    """Keep with each token of text or code the pieces that it shows."""
    places = _Places(text)
    for token in tokens:
        if token.map:
            places.go_to(*token.map)
        if token.type in ("fence", "code_block"):
            if token.type == "fence" and token.map:
                places.go_to(token.map[0] + 1, token.map[1])
            token.meta["pieces"] = places.lines_of(token.content)
        for child in token.children or ():
            places.read(child)


def pieces_of(tokens: Sequence[Token]) -> Iterator[Piece]:
    """Yield what is shown by tokens that have been placed, in order."""
    for token in tokens:
        for one in (token, *(token.children or ())):
            yield from one.meta.get("pieces", ())


def plain_pieces(text: str) -> list[Piece]:
    """Return the pieces of a text that is shown as it was typed, but for its line ends, which browsers make alike."""
    found: list[Piece] = []
    start = 0
    for end in LINE_END.finditer(text):
        if end[0] != "\n":
            found += [(start, text[start : end.start()]), (None, "\n")]
            start = end.end()
    return [piece for piece in (*found, (start, text[start:])) if piece[1]]


def pieces_html(pieces: Sequence[Piece]) -> SafeString:
    """Return what is shown, each piece saying where it begins."""
    return format_html_join(
        "",
        "{}",
        (
            (escape(shown) if at is None else format_html('<span data-at="{}">{}</span>', at, shown),)
            for at, shown in pieces
        ),
    )


class _Places:
    """Goes through the typed text once: what is shown later stands later."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.end = text, 0, len(text)
        self.lines = [0, *(match.end() for match in LINE_END.finditer(text))]

    def go_to(self, first: int, after: int) -> None:
        """Go on in the lines of a block."""
        self.at = max(self.at, self._line(first))
        self.end = max(self.at, self._line(after))

    def _line(self, number: int) -> int:
        return self.lines[number] if number < len(self.lines) else len(self.text)

    def read(self, token: Token) -> None:
        """Place a token inside of a block, and pass by what it was typed as."""
        if token.type == "text" and token.content:
            token.meta["pieces"] = self._typed(token.content)
        elif token.type == "code_inline":
            token.meta["pieces"] = [(self._find(token.content), token.content)]
        elif token.type == "image" or token.type.startswith("math"):
            self._find(token.content)
        if token.type == "image" or (token.type == "link_close" and token.info != "auto"):
            self._pass_address()

    def lines_of(self, code: str) -> list[Piece]:
        """Return the pieces of a block of code: its lines, which may be moved in."""
        lines = code.split("\n")
        pieces = [(self._find(line) if line.strip() else None, line) for line in lines]
        between: Piece = (None, "\n")
        return [piece for line in pieces for piece in (line, between)][:-1]

    def _find(self, shown: str) -> int | None:
        at = self.text.find(shown, self.at, self.end)
        if at < 0:
            return None
        self.at = at + len(shown)
        return at

    def _typed(self, shown: str) -> list[Piece]:
        """Return the pieces of a text, parted where a backslash or an entity was typed."""
        rest = self.text[self.at : self.end]
        if "\\" not in rest and "&" not in rest:
            return [(self._find(shown), shown)]
        found = re.compile("".join(map(_any_spelling, shown))).search(self.text, self.at, self.end)
        if found is None:
            return [(None, shown)]
        self.at = found.end()
        return [piece for piece in self._parted(shown, found.start()) if piece[1]]

    def _parted(self, shown: str, at: int) -> Iterator[Piece]:
        start, piece = at, ""
        for character in shown:
            entity = _ENTITY.match(self.text, at)
            if entity and unescape(entity[0]) == character:
                yield from ((start, piece), (None, character))
                start, piece = entity.end(), ""
                at = start
                continue
            if not self.text.startswith(character, at):  # a backslash
                yield start, piece
                start, piece = at + 1, ""
                at = start
            piece += character
            at += 1
        yield start, piece

    def _pass_address(self) -> None:
        """Pass by what stands behind the words of a link or image: an address with a title, or the name of one."""
        closing = self.text.find("]", self.at, self.end)
        if closing < 0:
            return
        self.at = closing + 1
        if self.text.startswith("(", self.at):
            at = self._skipped(self.at + 1)
            address = parseLinkDestination(self.text, at, self.end)
            at = self._skipped(address.pos if address.ok else at)
            title = parseLinkTitle(self.text, at, self.end)
            self.at = self.text.find(")", title.pos if title.ok else at, self.end) + 1 or self.at
        elif self.text.startswith("[", self.at):
            self.at = self.text.find("]", self.at, self.end) + 1 or self.at

    def _skipped(self, at: int) -> int:
        blanks = _BLANKS.match(self.text, at, self.end)
        return blanks.end() if blanks else at


def _any_spelling(character: str) -> str:
    """Return a pattern of what may be typed for a character."""
    plain = re.escape(character)
    if character.isascii() and character.isalnum():
        return plain
    escaped = rf"\\?{plain}" if character in punctuation else plain
    return f"(?:{_ENTITY.pattern}|{escaped})"
