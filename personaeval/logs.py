"""Keep participants' secret link tokens out of the logs."""

import logging
import re

_TOKEN = re.compile(r"(/(?:p|join)/)[A-Za-z0-9_-]{16,}")


def hide_tokens(text: str) -> str:
    """Return `text` with the token of every participant or join link replaced by `***`."""
    return _TOKEN.sub(r"\1***", text)


class HideTokens(logging.Filter):
    """A logging filter that never drops a record; it renders the message and removes link tokens from it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = hide_tokens(record.getMessage())
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.exc_text = hide_tokens(record.exc_text) if record.exc_text else None
        return True
