"""What every command of the project has in common: how it ends when it is refused or stopped."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from annotation.errors import ServiceError
from personaeval.interrupts import Interruptible

DEFAULT_ADDRESS = "http://127.0.0.1:8000"
INTERRUPTED = 130  # the exit status of a program that Ctrl-C ended


class ProjectCommand(BaseCommand):
    """A command that ends with what a ServiceError says, and with 130 after Ctrl-C or SIGTERM.

    Raises:
        CommandError: for every ServiceError, with the exit status `refused`, and for an interruption.
    """

    refused = 1
    stopped = "Stopped."
    """What is said after an interruption: what became of the work, and whether the same command goes on."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            with Interruptible():
                return super().execute(*args, **options)
        except ServiceError as error:
            raise CommandError(str(error), returncode=self.refused) from error
        except KeyboardInterrupt as error:
            raise CommandError(self.stopped, returncode=INTERRUPTED) from error


def page_address(site: str, path: str) -> str:
    """Return the address of a page, of the address that people know the site by and the page's path on its host.

    Below SUB_PATH the site may be given with that or without.
    """
    return site.rstrip("/").removesuffix(settings.SUB_PATH) + path


def served_file() -> Path:
    """Return the file in which `manage.py demo` keeps its address for as long as it serves."""
    return Path(settings.VAR_DIR) / "served_at"


def served_address() -> str:
    """Return where `manage.py demo` serves now, or else the address that all others start with."""
    try:
        return served_file().read_text(encoding="utf-8").strip() or DEFAULT_ADDRESS
    except OSError:
        return DEFAULT_ADDRESS
