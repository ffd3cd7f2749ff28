"""System checks: dangerous configuration is named at start-up, with what to do about it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from personaeval.private import others_may

LOCAL_HOSTS = {"localhost", "127.0.0.1", "[::1]", ".localhost", "testserver"}
PLACEHOLDERS = ("django-insecure", "change", "secret", "placeholder", "example", "password", "your")
SECRET_MIN_LENGTH = 50  # Django's own advice
SECRET_MIN_DIFFERENT = 5


@register(Tags.database)
def sqlite_takes_write_lock_first(
    *, app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """E001: SQLite without IMMEDIATE transactions loses answers under load."""
    return [
        Error(
            f"The SQLite database {alias!r} does not begin its transactions as IMMEDIATE: answers get lost under load.",
            hint="Remove transaction_mode from DATABASE_URL, or set it to IMMEDIATE.",
            id="annotation.E001",
        )
        for alias, config in settings.DATABASES.items()
        if config["ENGINE"] in ("django.db.backends.sqlite3", "personaeval.sqlite")
        and str(config.get("OPTIONS", {}).get("transaction_mode", "")).upper() not in ("IMMEDIATE", "EXCLUSIVE")
    ]


@register(Tags.security)
def secret_key_is_secret(*, app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E002: with a secret that can be guessed, anybody can sign in as anybody."""
    key = settings.SECRET_KEY
    weak = len(key) < SECRET_MIN_LENGTH or len(set(key)) < SECRET_MIN_DIFFERENT
    if settings.DEBUG or not (weak or key.lower().startswith(PLACEHOLDERS)):
        return []
    return [
        Error(
            "SECRET_KEY is a placeholder or too short: sessions could be forged.",
            hint="Unset SECRET_KEY to have one made in VAR_DIR, or set at least 50 random characters, for example from "
            "`python -c 'import secrets; print(secrets.token_urlsafe(50))'`.",
            id="annotation.E002",
        )
    ]


@register(Tags.security)
def hosts_are_named(*, app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E003: a site that answers to any name, or to none."""
    if settings.DEBUG or (settings.ALLOWED_HOSTS and "*" not in settings.ALLOWED_HOSTS):
        return []
    return [
        Error(
            "ALLOWED_HOSTS accepts any host: links with participants' tokens could be made to lead elsewhere."
            if settings.ALLOWED_HOSTS
            else "ALLOWED_HOSTS names no host: every page would be refused.",
            hint="Set ALLOWED_HOSTS to the names people type, for example study.example.org.",
            id="annotation.E003",
        )
    ]


@register(Tags.security)
def debug_is_local(*, app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E004: error pages of DEBUG show code, settings and arm codes, so strangers must never get one."""
    strangers = [host for host in settings.ALLOWED_HOSTS if host not in LOCAL_HOSTS]
    if not settings.DEBUG or not strangers:
        return []
    return [
        Error(
            f"DEBUG is on while ALLOWED_HOSTS lets in {', '.join(strangers)}: error pages would unblind the study.",
            hint="Unset DEBUG, or keep ALLOWED_HOSTS to localhost and 127.0.0.1.",
            id="annotation.E004",
        )
    ]


@register(Tags.database)
def sqlite_is_private(
    *, app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W001: a database that others may read, and that is not ours to close to them; our own is closed when opened."""
    files = [
        Path(f"{config['NAME']}{beside}")
        for config in settings.DATABASES.values()
        if config["ENGINE"] in ("django.db.backends.sqlite3", "personaeval.sqlite")
        for beside in ("", "-wal", "-shm")
    ]
    return [
        Warning(
            f"Others on this computer may read or change {file}, with all that participants wrote.",
            hint=f"Its owner, or an admin of the computer, closes it: chmod 600 {file}",
            id="annotation.W001",
        )
        for file in files
        if others_may(file) and file.stat().st_uid != os.geteuid()
    ]
