"""Values of environment variables, each held to what it is to be; what is wrong is said with the variable's name."""

import os
import re
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def env_str(name: str, default: str) -> str:
    """Return the variable, or the content of the file that `NAME_FILE` points to, or the default.

    A variable set to nothing counts as not set: compose files and unit files often pass empty ones on.
    """
    value, path = os.environ.get(name, ""), os.environ.get(f"{name}_FILE", "")
    if value and path:
        raise ImproperlyConfigured(f"Both {name} and {name}_FILE are set; set one of them.")
    if not path:
        return value or default
    try:
        content = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE={path} cannot be read: {error}") from error
    if not content:
        raise ImproperlyConfigured(f"{name}_FILE={path} is empty; write the value into it or unset {name}_FILE.")
    return content


def env_bool(name: str, default: bool) -> bool:
    """Return a yes/no variable; anything but 1/0, true/false, yes/no, on/off is an error."""
    value = os.environ.get(name, "").strip().lower()
    if value in ("", "1", "true", "yes", "on", "0", "false", "no", "off"):
        return default if value == "" else value in ("1", "true", "yes", "on")
    raise ImproperlyConfigured(f"{name}={value!r} is neither yes nor no; use 1 or 0.")


def env_list(name: str, default: str) -> list[str]:
    """Return a comma-separated variable as a list without blanks."""
    return [part.strip() for part in env_str(name, default).split(",") if part.strip()]


def env_choice(name: str, *choices: str) -> str:
    """Return a variable that is one of these words; the first is the default."""
    value = env_str(name, choices[0])
    if value not in choices:
        raise ImproperlyConfigured(f"{name}={value!r} is none of {', '.join(choices)}.")
    return value


def env_seconds(name: str, default: int) -> int:
    """Return a variable that is a whole number of seconds, 1 or more."""
    value = env_str(name, str(default))
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 10**6):
        raise ImproperlyConfigured(f"{name}={value!r} is no number of seconds; use a whole number such as {default}.")
    return int(value)


def env_count(name: str, default: int) -> int:
    """Return a variable that is a whole number from 0 to 9."""
    value = env_str(name, str(default))
    if not re.fullmatch("[0-9]", value):
        raise ImproperlyConfigured(f"{name}={value!r} is no number of them; use a whole number from 0 to 9.")
    return int(value)


def env_port(name: str, default: int) -> int:
    """Return the number of a port. Raises ImproperlyConfigured for what is none."""
    value = env_str(name, str(default))
    if not value.isdecimal() or not 0 < int(value) < 65_536:
        raise ImproperlyConfigured(f"{name}={value!r} is no port; use a whole number from 1 to 65535.")
    return int(value)


def env_sub_path(name: str) -> str:
    """Return a path such as `/studies`, without a slash at its end; "" where the variable is not set."""
    value = env_str(name, "").rstrip("/")
    if not re.fullmatch(r"(?:/[A-Za-z0-9._~-]+)*", value) or {".", ".."} & set(value.split("/")):
        raise ImproperlyConfigured(f"{name}={value!r} is no path below a host; write it as /studies.")
    return value


def env_folder(name: str, default: Path) -> Path:
    """Return a folder, made where it is missing, for the account alone that runs this."""
    folder = Path(env_str(name, str(default))).absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"{name}={folder} cannot be made: {error}. Name a folder that can.") from error
    return folder


def env_site(name: str) -> Path | None:
    """Return a folder with a built site in it; None where the variable is not set."""
    value = env_str(name, "")
    if value and not (Path(value) / "index.html").is_file():
        raise ImproperlyConfigured(f"{name}={value} holds no index.html. Build the docs by `make site`, and name that.")
    return Path(value).absolute() if value else None
