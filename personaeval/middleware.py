"""What every request has to pass, and the headers that every answer carries."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers
from whitenoise.middleware import WhiteNoiseFileResponse, WhiteNoiseMiddleware

from annotation.views.errors import nothing_stored
from personaeval.storage import storage_problem

logger = logging.getLogger(__name__)

# No inline script or style exists in any template, so nothing has to be allowed beyond our own files.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)


# The largest thing that is uploaded is a list of people; see annotation/peoplefiles.py.
LONGEST_BODY = 10 * 1024 * 1024  # bytes


class OddRequestsMiddleware:
    """Stop what no browser of a person sends before it reaches a database, which cannot keep the character NUL.

    A cookie that holds a control character is none of ours. An address that holds NUL behind its `?` is answered with
    400; in a form it is for the form to refuse, with words for who has pasted it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("The address holds the character NUL")
        length = str(request.META.get("CONTENT_LENGTH") or 0)
        if length.isascii() and length.isdigit() and int(length) > LONGEST_BODY:
            raise RequestDataTooBig(f"The request is longer than {LONGEST_BODY} bytes")
        if not all(value.isprintable() for value in request.COOKIES.values()):
            kept = {name: value for name, value in request.COOKIES.items() if value.isprintable()}
            request.COOKIES = kept
        return self.get_response(request)


class FullStorageMiddleware:
    """Say with 507 that nothing can be stored, where a disk is full or a database takes nothing. Reading goes on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        said = storage_problem(exception)
        if not said:
            return None
        logger.error("%s", said)
        response = nothing_stored(request)
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response


class FilesMiddleware(WhiteNoiseMiddleware):
    """Answer for static files, and for the docs where a folder of them is named."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        super().__init__(get_response)
        if settings.DOCS_DIR:
            self.add_files(str(settings.DOCS_DIR), prefix=settings.DOCS_PREFIX)


class SecurityHeadersMiddleware:
    """Add the content security policy to every answer, and keep pages out of shared and browser caches.

    Pages are personal (a participant's link, a researcher's session) and htmx fragments share their URL with
    full pages, so nothing may be stored and `HX-Request` belongs into `Vary`. Static files say themselves for how long
    they may be kept, and are the same for everybody.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not isinstance(response, WhiteNoiseFileResponse):
            patch_vary_headers(response, ["HX-Request"])
        add_security_headers(response)
        return response


def add_security_headers(response: HttpResponseBase) -> None:
    """Add what every answer carries, also one that no other middleware has seen."""
    response.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.setdefault("Cache-Control", "no-store")
