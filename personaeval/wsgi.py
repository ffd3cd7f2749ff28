"""WSGI entry point: `gunicorn personaeval.wsgi --threads 8`."""

import os
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
django_application = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer a request, whether the proxy in front has taken SUB_PATH off its address or not."""
    prefix, path = settings.SUB_PATH, environ.get("PATH_INFO", "")
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        environ["PATH_INFO"] = path.removeprefix(prefix) or "/"
    answer: Iterable[bytes] = django_application(environ, start_response)
    return answer
