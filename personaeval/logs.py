"""Keep participants' secret link tokens, and the ids by which a platform knows them, out of the logs."""

import logging
import re

_TOKEN = re.compile(r"(/(?:p|join|arrive)/)[A-Za-z0-9_-]{16,}")
# What a recruiting platform adds to the address at which its people arrive, also where it stands encoded.
_PLATFORM_ID = re.compile(r"((?:PROLIFIC_PID|STUDY_ID|SESSION_ID)(?:=|%3D|': \['|\": \[\"))[^&\s'\"]*", re.IGNORECASE)


def hide_tokens(text: str) -> str:
    """Return `text` with the token of every link and every platform's id replaced by `***`."""
    return _PLATFORM_ID.sub(r"\1***", _TOKEN.sub(r"\1***", text))


class HideTokens(logging.Filter):
    """A logging filter that never drops a record; it renders the message and removes what is secret from it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = hide_tokens(record.getMessage())
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.exc_text = hide_tokens(record.exc_text) if record.exc_text else None
        return True
