"""What a template says outside of gettext: its texts, and the attributes that people read or hear."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from django.template.base import Lexer, Token, TokenType

_READ = {
    "title",
    "alt",
    "aria-label",
    "aria-description",
    "aria-roledescription",
    "aria-valuetext",
    "placeholder",
    "label",
}
_READ |= {"data-label", "data-unanswered"}  # which the style sheet shows
_NOT_READ = {"script", "style", "code", "kbd"}
_LETTERS = re.compile(r"[^\W\d_]")
_WORDS = re.compile(r"[^\W\d_]+,? [^\W\d_]+")
# Names are the same in every language.
_NAMES = {"personaeval", "Prolific", "UTC"}


def texts_outside_gettext(path: Path) -> list[str]:
    """Return each such text of a template, with its line."""
    finder = _Finder()
    finder.feed("".join(_without_tags(path.read_text(encoding="utf-8"))))
    finder.close()
    return [f"{path.name}:{line}: {text}" for line, text in finder.found]


def _without_tags(source: str) -> Iterator[str]:
    """Yield the text of a template; of its tags, and of what is translated, only the line breaks."""
    until = ""
    for token in Lexer(source).tokenize():
        name = token.split_contents()[0] if token.token_type == TokenType.BLOCK else ""
        if not until and token.token_type == TokenType.TEXT:
            yield token.contents
            continue
        if not until and name in ("blocktranslate", "blocktrans", "comment"):
            until = f"end{name}"
        elif name == until:
            until = ""
        yield "\n" * _lines_of(token)


def _lines_of(token: Token) -> int:
    return token.contents.count("\n")


class _Finder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []
        self.within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _NOT_READ:
            self.within.append(tag)
        for name, value in attrs:
            is_said = name in _READ and _LETTERS.search(value or "")
            if is_said or (name.startswith("data-") and _WORDS.search(value or "")):
                self.found.append((self.getpos()[0], f'{name}="{value}"'))

    def handle_endtag(self, tag: str) -> None:
        if self.within and self.within[-1] == tag:
            self.within.pop()

    def handle_data(self, data: str) -> None:
        words = " ".join(data.split())
        if self.within or words in _NAMES or not _LETTERS.search(words):
            return
        # A block may stand for attributes of a tag, as `main_attributes` does.
        if not re.fullmatch(r'data-[\w-]+="[^"]*"', words):
            self.found.append((self.getpos()[0], words))
