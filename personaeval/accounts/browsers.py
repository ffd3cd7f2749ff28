"""Browsers that somebody has signed in with before: a lock against guessing from elsewhere does not shut them out.

Guesses are counted for a name and a network address together. Where several people share an address, one of them could
lock another's name; so whoever signs in leaves a signed note in the browser, and what comes with such a note for the
same name is let through (device cookies; OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
"""

from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

COOKIE = "known_browser"
KEPT_SECONDS = 60 * 60 * 24 * 180
_SALT = "personaeval.known_browser"


def browser_remember(response: HttpResponseBase, username: str) -> None:
    """Leave the note that this name has signed in with this browser. It goes to the sign-in page alone."""
    response.set_cookie(
        COOKIE,
        signing.dumps(username, salt=_SALT),
        max_age=KEPT_SECONDS,
        path=reverse("login"),
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def is_known(request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
    """Whether the name that is tried has signed in with this browser before."""
    try:
        known = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=KEPT_SECONDS)
    except signing.BadSignature:
        return False
    return bool(credentials) and known == (credentials or {}).get("username")
