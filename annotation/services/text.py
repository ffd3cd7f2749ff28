"""What participants type: kept exactly, within limits."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotation.errors import ServiceError
from annotation.fields import LONGEST_REASON, check_reason, check_storable, is_blank, plain_lines

MAX_TEXT_LENGTH = 5000  # characters
# What annotation/fields.py says of a value, where that is always the same.
_FAULTS = (
    gettext_noop("is empty; write some text"),
    gettext_noop("holds a line break; write it in one line"),
    gettext_noop("holds a character that cannot be stored (NUL); remove it"),
)


def storable_text(text: str, *, most: int = MAX_TEXT_LENGTH) -> str:
    """Return the text with plain line ends. Raises ServiceError if it is too long, or cannot be stored."""
    kept = plain_lines(text)
    try:
        return check_storable(kept, most=most)
    except ValueError as error:
        raise ServiceError(_("This %(fault)s.") % {"fault": _fault(kept, most, error)}) from error


def answer_text(text: str) -> str:
    """Return what was answered to a question that may be left open; blanks alone are no answer. Raises as above."""
    kept = storable_text(text)
    return "" if is_blank(kept) else kept


def reason_text(text: str, *, what: str) -> str:
    """Return the reason for `what`, such as “excluding P-001”. Raises ServiceError if it is none, or too long."""
    try:
        return check_reason(text)
    except ValueError as error:
        values = {"most": LONGEST_REASON, "what": what, "fault": _fault(text.strip(), LONGEST_REASON, error)}
        raise ServiceError(
            _("Give a reason of 1 to %(most)s characters for %(what)s; this one %(fault)s.") % values
        ) from error


def _fault(text: str, most: int, error: ValueError) -> str:
    """Return what is wrong in the language that is spoken; the checks themselves know English only."""
    said = _("is %(length)s characters long; at most %(most)s can be kept") % {"length": len(text), "most": most}
    is_too_long = len(text) > most and "characters long" in str(error)
    return said if is_too_long else _(str(error))
