"""Response headers that every page carries."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers

# No inline script or style exists in any template, so nothing has to be allowed beyond our own files.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)


class SecurityHeadersMiddleware:
    """Add the content security policy, and keep pages out of shared and browser caches.

    Pages are personal (a participant's link, a researcher's session) and htmx fragments share their URL with
    full pages, so nothing may be stored and `HX-Request` belongs into `Vary`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        add_security_headers(response)
        patch_vary_headers(response, ["HX-Request"])
        return response


def add_security_headers(response: HttpResponseBase) -> None:
    """Add what every answer carries, also one that no other middleware has seen."""
    response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.setdefault("Cache-Control", "no-store")
