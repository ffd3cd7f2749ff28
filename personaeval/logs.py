"""Keep participants' secret link tokens, their ids at a platform, and what they wrote out of the logs."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from personaeval.operations.current import CurrentRequest, request_of

_TOKEN = re.compile(r"(/(?:p|join|arrive)/)[^/\s?#'\"]+")
# What a recruiting platform adds to the address at which its people arrive, also where it stands encoded.
_PLATFORM_ID = re.compile(r"((?:PROLIFIC_PID|STUDY_ID|SESSION_ID)(?:=|%3D|': \['|\": \[\"))[^&\s'\"]*", re.IGNORECASE)
# What PostgreSQL adds to an error in lines of their own: whole rows, with what people wrote in them.
_DETAIL = re.compile(
    r"\n(?:DETAIL|CONTEXT|QUERY|STATEMENT|LINE \d+):.*?"
    r"(?=\n\nThe above exception was the direct cause|\n\nDuring handling of the above exception|\Z)",
    re.DOTALL,
)
# gunicorn's line about a request that it cannot read: the address it came from, and pieces of it in quotes.
_UNREADABLE = re.compile(r"^(Invalid request from )ip=\S+(: [^'\"]*)(?:['\"].*)?", re.DOTALL)

REQUEST_FIELDS = ("route", "method", "status", "ms")


def hide_tokens(text: str) -> str:
    """Return `text` with the token of every link and every platform's id replaced by `***`."""
    return _PLATFORM_ID.sub(r"\1***", _TOKEN.sub(r"\1***", text))


def hide_personal(text: str, current: CurrentRequest | None) -> str:
    """Return `text` without tokens, without rows that a database quotes, and without what the request has sent."""
    text = _DETAIL.sub("\nDETAIL: ***", _UNREADABLE.sub(r"\1ip=***\2", text))
    for secret in sorted(current.secrets(), key=len, reverse=True) if current else ():
        text = text.replace(secret, "***")
    return hide_tokens(text)


class RefusalsInOneLine(logging.Filter):
    """Make one line, a warning, of what Django writes about a request that is at fault itself.

    Anybody can send such requests, as scanners do by the thousand: tracebacks of them hide those that matter. `level`
    is the lowest that is written.
    """

    def __init__(self, level: str) -> None:
        super().__init__()
        self._level = logging.getLevelNamesMapping()[level]

    def filter(self, record: logging.LogRecord) -> bool:
        if not 400 <= getattr(record, "status_code", 0) < 500:
            return True
        record.msg, record.args = " ".join(record.getMessage().split()), ()
        record.exc_info = record.exc_text = None
        if record.levelno > logging.WARNING:
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return record.levelno >= self._level


class HideTokens(logging.Filter):
    """A logging filter that never drops a record; it renders the message and removes what is secret from it."""

    def filter(self, record: logging.LogRecord) -> bool:
        current = request_of(record)
        record.msg = hide_personal(record.getMessage(), current)
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.exc_text = hide_personal(record.exc_text, current) if record.exc_text else None
        record.stack_info = hide_personal(record.stack_info, current) if record.stack_info else None
        return True


class JsonLines(logging.Formatter):
    """One JSON object on one line for each record that the filter has been through.

    Of what a record carries besides, only the fields of our own request lines are written.
    """

    def format(self, record: logging.LogRecord) -> str:
        current = request_of(record)
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            "request_id": current.request_id if current else None,
            **{name: getattr(record, name, None) for name in REQUEST_FIELDS},
            "exception": record.exc_text,
            "stack": record.stack_info,
        }
        return json.dumps({name: value for name, value in fields.items() if value is not None})
