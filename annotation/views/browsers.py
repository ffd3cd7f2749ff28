"""What a browser keeps of its own arrival, so that it is known when it comes back to the same link."""

import uuid
from typing import TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

Response = TypeVar("Response", bound=HttpResponseBase)

VISIT = "visit"
"""The cookie that names the browser: random, and no secret of the participant's."""
HELD = "held"
"""The cookie that shows that the browser held a personal link."""
KEPT_SECONDS = 60 * 60 * 24 * 180


def keep(response: Response, request: HttpRequest, name: str, value: str) -> Response:
    """Let the browser keep a value for the address that it has just asked for, and for no other."""
    response.set_cookie(
        name,
        value,
        max_age=KEPT_SECONDS,
        path=request.path,
        httponly=True,
        samesite="Lax",  # a platform sends people here from another site
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return response


def kept_visit(request: HttpRequest) -> uuid.UUID | None:
    """Return what names this browser; None where it keeps nothing, or what we have not written."""
    try:
        return uuid.UUID(request.COOKIES.get(VISIT, ""))
    except ValueError:
        return None
