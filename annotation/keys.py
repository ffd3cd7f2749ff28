"""Random identifiers. Nothing shown to a participant may be guessable or betray an order of creation."""

import base64
import hashlib
import hmac
import secrets
import uuid

# Without look-alikes (0/O, 1/I/L), since people type completion codes by hand.
_CODE_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"


def public_key() -> str:
    """Return 16 hex digits (64 bits) that name a row in pages and exports."""
    return secrets.token_hex(8)


def link_token() -> str:
    """Return the secret part of a participant's or join link (192 bits)."""
    return secrets.token_urlsafe(24)


def visit_token(secret: str, open_link: int, visit: uuid.UUID, person: str = "") -> str:
    """Return the secret part of the link that one visit to an open link leads to: the same one, however often asked.

    `person` is the key of the id under which a recruiting platform sends somebody. Nobody can compute the token without
    `secret`, the site's key.
    """
    named = f":{person}" if person else ""
    digest = hmac.new(secret.encode(), f"visit:{open_link}:{visit}{named}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:24]).decode()


def arm_code() -> str:
    """Return an opaque arm code such as `arm-7f3c09d1`."""
    return f"arm-{secrets.token_hex(4)}"


def completion_code() -> str:
    """Return eight characters a participant can copy by hand."""
    return "".join(secrets.choice(_CODE_ALPHABET) for _ in range(8))


def code_from_bytes(source: bytes, length: int) -> str:
    """Return `length` characters of the same kind that follow from `source`, a random or secret number."""
    number = int.from_bytes(source)
    characters = []
    for _ in range(length):
        number, index = divmod(number, len(_CODE_ALPHABET))
        characters.append(_CODE_ALPHABET[index])
    return "".join(characters)
