"""What is kept of the command, code and machine that made something; secrets and credentials never are."""

import os
import platform
import re
import shlex
import socket
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from django.conf import settings

from personaeval.checkout import git_output

HIDDEN = "***"

_SECRET_NAME = re.compile(r"key|token(?!s|iz)|secret|password|passwd|credential|auth(?!or)", re.IGNORECASE)
_URL_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def command_line(argv: Sequence[str]) -> str:
    """Return the command as typed, with the values of secret options and the credentials in addresses hidden."""
    shown: list[str] = []
    hide_next = False
    for argument in argv:
        name, equals, value = argument.partition("=")
        secret = bool(_SECRET_NAME.search(name)) and name.startswith("-")
        if hide_next:
            shown.append(HIDDEN)
        elif secret and equals:
            shown.append(f"{name}={HIDDEN}")
        else:
            shown.append(_URL_CREDENTIALS.sub(HIDDEN, argument))
        hide_next = secret and not equals
    return shlex.join(shown)


def public_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as JSON values, with secrets hidden at every level."""
    return {
        name: HIDDEN if _SECRET_NAME.search(name) and value else _public(value) for name, value in arguments.items()
    }


def provenance() -> dict[str, Any]:
    """Return the code's git commit, package versions, Python, operating system, and the process by host and number."""
    return {
        "git": _git(settings.BASE_DIR),
        "packages": _packages(),
        "python": platform.python_version(),
        "os": platform.platform(),
        "process": {"host": socket.gethostname(), "pid": os.getpid()},
    }


def _public(value: Any) -> Any:
    if isinstance(value, Mapping):
        return public_arguments(value)
    if isinstance(value, list | tuple):
        return [_public(one) for one in value]
    if isinstance(value, str | Path):
        return _URL_CREDENTIALS.sub(HIDDEN, str(value))
    return value


@cache
def _git(folder: Path) -> dict[str, Any] | str:
    # Asked once: a process runs the code that was there when it began, whatever is checked out while it runs.
    commit = git_output(folder, "rev-parse", "HEAD")
    if commit is None:
        return "not a git checkout"
    return {"commit": commit, "dirty": bool(git_output(folder, "status", "--porcelain"))}


@cache
def _packages() -> dict[str, str]:
    found = {package.metadata["Name"]: package.version for package in metadata.distributions()}
    return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))
