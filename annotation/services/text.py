"""What participants type: kept exactly, within limits."""

from django.utils.translation import gettext as _

from annotation.errors import ServiceError

MAX_TEXT_LENGTH = 5000  # characters


def storable_text(text: str) -> str:
    """Return the text as it is. Raises ServiceError if it is too long, or holds what databases cannot store."""
    if len(text) > MAX_TEXT_LENGTH:
        raise ServiceError(
            _("This is %(length)s characters long; at most %(most)s can be kept.")
            % {"length": len(text), "most": MAX_TEXT_LENGTH}
        )
    if "\x00" in text:
        raise ServiceError(_("This holds a character that cannot be stored (NUL); remove it."))
    return text
