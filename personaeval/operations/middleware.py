"""What comes before everything else: each request is timed and named, and machines' questions are answered."""

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import resolve

from personaeval.middleware import add_security_headers
from personaeval.operations.current import request_begins, request_ends
from personaeval.operations.requests import UNDER_WAY, observe_request
from personaeval.operations.urls import urlpatterns

logger = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]
PROBES = {f"/{one.pattern}" for one in urlpatterns}
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class RequestsMiddleware:
    """Give each request an id, time it, and write a line about it if LOG_REQUESTS says so."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        start = time.perf_counter()
        request_id, token = request_begins(request)
        UNDER_WAY.inc()
        try:
            response = self.get_response(request)
            self._note(request, response.status_code, time.perf_counter() - start)
        finally:
            UNDER_WAY.dec()
            request_ends(token)
        response["X-Request-ID"] = request_id
        return response

    def _note(self, request: HttpRequest, status: int, seconds: float) -> None:
        method, route = request.method if request.method in METHODS else "other", route_of(request)
        observe_request(str(method), route, status, seconds)
        if settings.LOG_REQUESTS and request.path_info not in PROBES:
            ms = round(1000 * seconds, 1)
            fields = {"method": method, "route": route, "status": status, "ms": ms}
            logger.info("%s %s %d in %.1f ms", method, route, status, ms, extra=fields)


class ProbesMiddleware:
    """Answer what machines ask before hosts, HTTPS, sessions and logins are looked at.

    A load balancer asks by the address of the machine, without a name and often without HTTPS.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info not in PROBES:
            return self.get_response(request)
        match = request.resolver_match = resolve(request.path_info)
        response: HttpResponse = match.func(request)
        response["Content-Length"] = str(len(response.content))
        response["X-Content-Type-Options"] = "nosniff"
        add_security_headers(response)
        return response


def route_of(request: HttpRequest) -> str:
    """Return the name of the address that was asked for: never the path, which may hold a participant's token."""
    if request.resolver_match:
        return request.resolver_match.view_name
    # What was refused or redirected before its address was looked up is `unmatched` too.
    return "static" if request.path.startswith(settings.STATIC_URL) else "unmatched"
