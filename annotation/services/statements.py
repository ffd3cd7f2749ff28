"""Rows that every click writes, by statements that need not be put together anew; see annotation/prepared.py."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import AutoField, Model


def insert(rows: Sequence[Model]) -> None:
    """Insert new rows of one model by one statement, and give them the ids that the database made."""
    if not rows:
        return
    if not connection.features.can_return_rows_from_bulk_insert:  # SQLite before 3.35
        for row in rows:
            row.save(force_insert=True)
        return
    names, fields, key = _insertion(type(rows[0]))
    one = f"({', '.join(['%s'] * len(fields))})"
    values = [field.get_db_prep_save(field.pre_save(row, True), connection) for row in rows for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(f"{names} VALUES {', '.join([one] * len(rows))}{key}", values)
        made = cursor.fetchall() if key else []
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias
    for row, (pk,) in zip(rows, made, strict=bool(key)):
        row.pk = pk


def update(sql: str, *values: str | int | datetime | UUID) -> int:
    """Send an UPDATE and return how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql, [_adapted(value) for value in values])
        return int(cursor.rowcount)


def _adapted(value: str | int | datetime | UUID) -> Any:
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, UUID) and not connection.features.has_native_uuid_field:
        return value.hex
    return str(value) if isinstance(value, str) else value  # choices are texts of a kind of their own


@cache
def _insertion(model: type[Model]) -> tuple[str, list[Any], str]:
    """Return how an INSERT begins, the fields whose values follow, and how it ends."""
    quote = connection.ops.quote_name
    options = model._meta
    has_auto = isinstance(options.pk, AutoField)
    fields = [field for field in options.local_concrete_fields if not (has_auto and field.primary_key)]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    key = f" RETURNING {quote(str(options.pk.column))}" if has_auto else ""
    return f"INSERT INTO {quote(options.db_table)} ({columns})", fields, key
