"""Ids under which researchers try an arrival from Prolific: whoever comes by one is a preview and takes no place."""

import secrets

from django.utils.crypto import constant_time_compare, salted_hmac

from annotation.models import OpenLink

_MARK = "preview"


def test_person(open_link: OpenLink) -> str:
    """Return a fresh id for one try by this link; nobody can make one without the site's key."""
    nonce = secrets.token_hex(6)
    return f"{_MARK}-{nonce}-{_digest(open_link, nonce)}"


def is_test_person(open_link: OpenLink, person: str) -> bool:
    """Return whether this site has made the id for a try by this link."""
    mark, _, rest = person.partition("-")
    nonce, _, digest = rest.partition("-")
    return mark == _MARK and constant_time_compare(digest, _digest(open_link, nonce))


def _digest(open_link: OpenLink, nonce: str) -> str:
    return salted_hmac("annotation.test_arrival", f"{open_link.pk}:{nonce}", algorithm="sha256").hexdigest()[:16]
