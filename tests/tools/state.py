"""What the database holds, and what the log says, before and after something that must change neither."""

import hashlib
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import connection


def database_state() -> dict[str, str]:
    """Return a digest of the rows of every table of the project."""
    return {model._meta.db_table: _digest(model._meta.db_table) for model in apps.get_models(include_auto_created=True)}


def _digest(table: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
        rows = sorted(map(repr, cursor.fetchall()))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Yield what the site writes to its log meanwhile, through its own filters and its own formatter."""
    (handler,) = [one for one in logging.getLogger().handlers if type(one) is logging.StreamHandler and one.filters]
    stream = io.StringIO()
    before = handler.setStream(stream)
    try:
        yield stream
    finally:
        handler.setStream(before or handler.stream)
