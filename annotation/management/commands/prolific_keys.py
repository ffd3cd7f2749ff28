"""Fetch Prolific's public keys, with which signed arrivals are checked."""

from pathlib import Path
from typing import Any

import httpx
from django.core.management.base import CommandParser

from annotation.errors import ServiceError
from annotation.management.base import ProjectCommand
from annotation.prolific_tokens import keys_file, keys_store

ADDRESS = "https://api.prolific.com/.well-known/study/jwks.json"
SECONDS = 20


class Command(ProjectCommand):
    """Keep the keys in VAR_DIR. Prolific renews them: run this once a day where a study has `signed: true`."""

    help = "Fetch Prolific's public keys, with which signed arrivals are checked; run it daily."

    def add_arguments(self, parser: CommandParser) -> None:
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--url", default=ADDRESS, help="Where the keys are published.")
        source.add_argument("--file", type=Path, help="A key set that was fetched elsewhere.")

    def handle(self, *args: Any, **options: Any) -> None:
        text = _read(options["file"]) if options["file"] else _fetch(options["url"])
        self.stdout.write(f"Kept {keys_store(text)} keys in {keys_file()}.")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ServiceError(f"{path} cannot be read: {error}") from error


def _fetch(address: str) -> str:
    try:
        return httpx.get(address, timeout=SECONDS, follow_redirects=True).raise_for_status().text
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServiceError(f"{address} gave no keys: {error}. The keys that were kept before stay in use.") from error
