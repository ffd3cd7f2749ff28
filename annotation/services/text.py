"""What participants type: kept exactly, within limits."""

from annotation.errors import ServiceError

MAX_TEXT_LENGTH = 5000  # characters


def storable_text(text: str) -> str:
    """Return the text as it is. Raises ServiceError if it is too long, or holds what databases cannot store."""
    if len(text) > MAX_TEXT_LENGTH:
        raise ServiceError(f"This is {len(text)} characters long; at most {MAX_TEXT_LENGTH} can be kept.")
    if "\x00" in text:
        raise ServiceError("This holds a character that cannot be stored (NUL); remove it.")
    return text
