"""Passages that are marked in a response: what a form holds of them, and where in the text they stand. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from annotation.errors import ServiceError
from annotation.fields import plain_lines
from annotation.markdown_places import Piece

if TYPE_CHECKING:
    from django.http import QueryDict

REQUIRED, OPTIONAL, NO_REASON = "required", "optional", "none"
QUOTED = 60  # characters of a passage that a message repeats
_FIELDS = ("text", "at", "which", "label", "reason")


@dataclass(frozen=True, order=True)
class Marking:
    """A passage in its place: from `start` up to `end`, in code points of the response's text."""

    start: int
    end: int
    text: str
    label: str = ""
    reason: str = ""


@dataclass(frozen=True)
class MarkingSent:
    """A passage as a form holds it. `at` is its place, START-END, if the page knows it; `which` counts equal ones."""

    text: str = ""
    at: str = ""
    which: str = ""
    label: str = ""
    reason: str = ""

    @property
    def is_begun(self) -> bool:
        """Whether anything was put in."""
        return bool(self.text.strip() or self.reason.strip())


@dataclass(frozen=True)
class MarkingsSent:
    """All passages that a form holds about one response, and whether it says that there is nothing to mark."""

    rows: tuple[MarkingSent, ...]
    nothing: bool


@dataclass(frozen=True)
class MarkingRules:
    """What the passages of one response are held to. `pieces` are what the page shows of `text`."""

    text: str
    pieces: tuple[Piece, ...]
    reason: str
    labels: tuple[str, ...]
    most: int


def markings_sent(name: str, data: "QueryDict") -> MarkingsSent | None:
    """Return the passages in the fields of a question; None where nothing was put into them."""
    columns = (data.getlist(f"{name}.{field}") for field in _FIELDS)
    rows = tuple(MarkingSent(*row) for row in zip_longest(*columns, fillvalue=""))
    begun = tuple(row for row in rows if row.is_begun)
    nothing = f"{name}.none" in data
    return MarkingsSent(begun, nothing) if begun or nothing else None


def row_of(marking: Marking) -> MarkingSent:
    """Return a passage as the form holds it that it came from."""
    return MarkingSent(marking.text, f"{marking.start}-{marking.end}", "", marking.label, marking.reason)


def markings_placed(sent: MarkingsSent, rules: MarkingRules) -> tuple[Marking, ...]:
    """Return the passages in the order of the text.

    Raises:
        ServiceError: one does not stand in the response, or lacks what the question asks for with it.
    """
    if sent.nothing and sent.rows:
        raise ServiceError(_("Passages are marked, and “Nothing to mark” is chosen too; keep one of the two."))
    if not sent.nothing and not sent.rows:
        raise ServiceError(_("Mark a passage, or choose “Nothing to mark”."))
    if len(sent.rows) > rules.most:
        values = {"most": rules.most, "count": len(sent.rows)}
        raise ServiceError(_("At most %(most)s passages can be marked, not %(count)s; take some back.") % values)
    placed = sorted(_placed(row, rules) for row in sent.rows)
    for one, other in zip(placed, placed[1:], strict=False):
        if (one.start, one.end, one.label) == (other.start, other.end, other.label):
            raise _refusal(one.text, _("“%(passage)s” is marked twice; take one of them back."))
    return tuple(placed)


def _placed(row: MarkingSent, rules: MarkingRules) -> Marking:
    if not row.text.strip():
        raise ServiceError(_("A reason stands without a passage; put the passage in, or empty the reason."))
    start, end = _place(row, rules)
    if rules.labels and row.label not in rules.labels:
        raise _refusal(row.text, _("Choose what kind of passage “%(passage)s” is."))
    reason = "" if rules.reason == NO_REASON else row.reason
    if rules.reason == REQUIRED and not reason:
        raise _refusal(row.text, _("Say why you marked “%(passage)s”."))
    return Marking(start, end, rules.text[start:end], row.label if rules.labels else "", reason)


def _place(row: MarkingSent, rules: MarkingRules) -> tuple[int, int]:
    """Return the place that the form names, if the passage stands there, or else the one that it has."""
    text = plain_lines(row.text)
    places = places_of(text, rules)
    known = _range(row.at)
    if known and (known in places or (known[1] <= len(rules.text) and plain_lines(rules.text[slice(*known)]) == text)):
        return known
    if not places:
        raise _refusal(text, _("“%(passage)s” does not stand in the response like that; mark a shorter passage."))
    which = int(row.which) if row.which.isascii() and row.which.isdigit() and len(row.which) < 5 else 0
    if len(places) > 1 and not 0 < which <= len(places):
        message = _("“%(passage)s” stands in the response %(count)s times; say which of them, 1 for the first.")
        raise _refusal(text, message, count=len(places))
    return places[which - 1 if len(places) > 1 else 0]


def places_of(text: str, rules: MarkingRules) -> list[tuple[int, int]]:
    """Return where a passage stands, whatever its blanks: in what the page shows, or else in what was typed."""
    shown = [(at + offset, char) for at, piece in rules.pieces if at is not None for offset, char in enumerate(piece)]
    return _found(text, shown) or _found(text, list(enumerate(rules.text)))


def _found(text: str, characters: Sequence[tuple[int, str]]) -> list[tuple[int, int]]:
    solid = [(at, char) for at, char in characters if not char.isspace()]
    wanted, whole = "".join(text.split()), "".join(char for _at, char in solid)
    found, at = [], whole.find(wanted) if wanted else -1
    while at >= 0:
        found.append((solid[at][0], solid[at + len(wanted) - 1][0] + 1))
        at = whole.find(wanted, at + 1)
    return found


def _range(at: str) -> tuple[int, int] | None:
    start, _dash, end = at.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 8 for part in (start, end)):
        return None
    return (int(start), int(end)) if int(start) < int(end) else None


def _refusal(passage: str, message: str, **values: object) -> ServiceError:
    quoted = " ".join(passage.split())
    shown = quoted if len(quoted) <= QUOTED else f"{quoted[: QUOTED - 1]}…"
    return ServiceError(message % {"passage": shown, **values})
