"""The catalogues of the interface's translations, as files."""

import hashlib
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.utils.translation import to_locale


@lru_cache
def catalogue_version(language: str) -> str:
    """Return what names the state of a language's catalogue for scripts, so that browsers may keep it for good."""
    path = Path(settings.LOCALE_PATHS[0]) / to_locale(language) / "LC_MESSAGES" / "djangojs.mo"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.exists() else "none"
