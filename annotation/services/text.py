"""What participants type: kept exactly, within limits."""

from annotation.errors import ServiceError
from annotation.fields import LONGEST_REASON, check_reason, check_storable, is_blank, plain_lines

MAX_TEXT_LENGTH = 5000  # characters


def storable_text(text: str, *, most: int = MAX_TEXT_LENGTH) -> str:
    """Return the text with plain line ends. Raises ServiceError if it is too long, or cannot be stored."""
    try:
        return check_storable(plain_lines(text), most=most)
    except ValueError as error:
        raise ServiceError(f"This {error}.") from error


def answer_text(text: str) -> str:
    """Return what was answered to a question that may be left open; blanks alone are no answer. Raises as above."""
    kept = storable_text(text)
    return "" if is_blank(kept) else kept


def reason_text(text: str, *, what: str) -> str:
    """Return the reason for `what`, such as “excluding P-001”. Raises ServiceError if it is none, or too long."""
    try:
        return check_reason(text)
    except ValueError as error:
        wanted = f"a reason of 1 to {LONGEST_REASON} characters for {what}"
        raise ServiceError(f"Give {wanted}; this one {error}.") from error
