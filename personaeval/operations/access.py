"""Who may read the figures: whoever has the token; where there is none, this computer itself."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.utils.crypto import constant_time_compare

from personaeval.clients import FORWARDED

_LOCAL = ("localhost", "127.0.0.1", "[::1]")


def may_read_metrics(request: HttpRequest) -> bool:
    """Whether the request has the token or, without METRICS_TOKEN, comes straight from this computer."""
    if settings.METRICS_TOKEN:
        return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.METRICS_TOKEN}")
    return _comes_from_here(request) and not any(name.startswith(FORWARDED) for name in request.META)


def _comes_from_here(request: HttpRequest) -> bool:
    """Whether both ends are this computer. The name too: a proxy that tells nothing of itself passes the site's on."""
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False  # a socket of a proxy
    name, _ = split_domain_port(request.META.get("HTTP_HOST", ""))
    return address.is_loopback and name in _LOCAL
