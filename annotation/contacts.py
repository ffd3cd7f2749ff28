"""E-mail addresses and telephone numbers in what people typed: found, and replaced by a mark. Pure functions.

Telephone numbers are those that the library `phonenumbers` holds valid: in international form, or as they are dialled
in one of the regions given. E-mail addresses are found by rule, also with "(at)" and "(dot)" for the signs.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import phonenumbers

EMAIL, TELEPHONE = "e-mail", "telephone"
KINDS = (EMAIL, TELEPHONE)
_AT = r"(?:\s?[@＠]\s?|\s?[(\[{]\s?at\s?[)\]}]\s?)"
_DOT = r"(?:\.|\s?[(\[{]\s?dot\s?[)\]}]\s?)"
_EMAIL = re.compile(
    rf"(?<![\w.+%-])[\w][\w.+%'-]*{_AT}[\w-]+(?:{_DOT}[\w-]+)*{_DOT}[^\W\d_]{{2,}}(?![\w@])", re.IGNORECASE
)
# What can hold neither is told at once: most texts do.
_MAY_EMAIL = re.compile(r"[@＠]|[(\[{]\s?at\s?[)\]}]", re.IGNORECASE)
_MAY_TELEPHONE = re.compile(r"\d(?:[^\w\n]{0,3}\d){6}")


@dataclass(frozen=True)
class Contact:
    """What was found in a text, from its character `start` up to `end`."""

    kind: str
    start: int
    end: int


def contacts_in(text: str, regions: Sequence[str]) -> tuple[Contact, ...]:
    """Return the e-mail addresses and telephone numbers in a text, by their places; none within another."""
    return _contacts_in(text, tuple(regions))


def contacts_marked(text: str, regions: Sequence[str]) -> str:
    """Return the text with `[e-mail]` and `[telephone]` in their places."""
    parts, at = [], 0
    for contact in contacts_in(text, regions):
        parts += [text[at : contact.start], f"[{contact.kind}]"]
        at = contact.end
    return "".join([*parts, text[at:]])


@lru_cache(maxsize=4096)  # an export repeats a persona in every row of its ratings
def _contacts_in(text: str, regions: tuple[str, ...]) -> tuple[Contact, ...]:
    found: list[Contact] = []
    if _MAY_EMAIL.search(text):
        found += [Contact(EMAIL, match.start(), match.end()) for match in _EMAIL.finditer(text)]
    if _MAY_TELEPHONE.search(text):
        found += _numbers(text, regions)
    apart: list[Contact] = []
    for contact in sorted(found, key=lambda one: (one.start, -one.end)):
        if not apart or contact.start >= apart[-1].end:
            apart.append(contact)
    return tuple(apart)


def _numbers(text: str, regions: tuple[str, ...]) -> Iterator[Contact]:
    for region in (None, *regions):
        matches: Any = phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.VALID)
        for match in matches:
            yield Contact(TELEPHONE, match.start, match.end)
