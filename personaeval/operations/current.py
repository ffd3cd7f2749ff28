"""The request that is being answered in this thread: its id, and what it was sent that belongs into no log."""

import logging
import os
import re
from contextlib import suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest

# What a proxy sends as X-Request-ID is kept if it is one; everything else is replaced by one of ours.
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}")
_LINK = re.compile(r"/(?:p|join|arrive)/([^/]+)")
# Shorter values are words like any other ("agree", "3"): hiding them would make nothing of a line.
_SHORTEST = 8
_KEY = "personaeval.request_id"


@dataclass(slots=True)  # made at every click
class CurrentRequest:
    """A request and the id by which its log lines are found."""

    request_id: str
    request: HttpRequest

    def secrets(self) -> set[str]:
        """Return the link's token and all that was typed or sent along, line by line."""
        # Only what has been read: reading a body to write a log line could fail, or wait for it.
        fields = [self.request.POST] if hasattr(self.request, "_post") else []
        with suppress(SuspiciousOperation):  # a query that Django refuses to read, which no view has read then either
            fields.append(self.request.GET)
        texts = [value for one in fields for _, values in one.lists() for value in values]
        texts += _LINK.findall(self.request.path_info)
        return {line.strip() for text in texts for line in str(text).splitlines() if len(line.strip()) >= _SHORTEST}


_current: ContextVar[CurrentRequest | None] = ContextVar("current_request", default=None)


def request_of(record: logging.LogRecord) -> CurrentRequest | None:
    """Return the request that a record is about: the one that is being answered in this thread, or that it carries.

    Django writes some of its lines when all middlewares are through, and hands the request on with them.
    """
    carried = getattr(record, "request", None)
    if isinstance(carried, HttpRequest) and _KEY in carried.META:
        return CurrentRequest(carried.META[_KEY], carried)
    return _current.get()


def request_begins(request: HttpRequest) -> tuple[str, "Token[CurrentRequest | None]"]:
    """Let `request` be the current one; return its id, and what `request_ends` has to be given."""
    request_id = request.META[_KEY] = _given_id(request) or os.urandom(16).hex()
    return request_id, _current.set(CurrentRequest(request_id, request))


def request_ends(token: "Token[CurrentRequest | None]") -> None:
    """Let the current request be over."""
    _current.reset(token)


def _given_id(request: HttpRequest) -> str:
    """Return the id that the proxy has given it; empty if that is none, or a piece of its address."""
    given: str = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if given and _WELL_FORMED.fullmatch(given) and given not in request.get_full_path() else ""
