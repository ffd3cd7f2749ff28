"""Where a request comes from, as far as that can be known."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

# A proxy on this computer asks from 127.0.0.1 as well, for whoever asked it; these say that there was one.
FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_", "HTTP_X_REAL_IP", "HTTP_VIA")


def client_address(request: HttpRequest) -> str | None:
    """Return the IP address that a request comes from, or None where that is unknown.

    Behind proxies that is what the outermost of our own (TRUSTED_PROXIES of them) wrote. Behind one that the settings
    do not know everybody would seem to come from it, so nobody's address is known.
    """
    if settings.TRUSTED_PROXIES:
        addresses = request.headers.get("X-Forwarded-For", "").split(",")
        address = addresses[-settings.TRUSTED_PROXIES] if len(addresses) >= settings.TRUSTED_PROXIES else ""
    else:
        is_direct = not any(name.startswith(FORWARDED) for name in request.META)
        address = request.META.get("REMOTE_ADDR", "") if is_direct else ""
    try:
        return str(ipaddress.ip_address(address.strip()))
    except ValueError:
        return None


def client_network(request: HttpRequest) -> str:
    """Return the network that a request comes from: an IPv4 address or the first half of an IPv6 one; "" if unknown."""
    address = client_address(request)
    if address is None or ipaddress.ip_address(address).version == 4:
        return address or ""
    return str(ipaddress.ip_network(f"{address}/64", strict=False))
