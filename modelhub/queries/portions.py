"""Rows read some at a time, so that memory does not grow with their number."""

from array import array
from collections.abc import Iterator
from typing import TypeVar

from django.db.models import Model, QuerySet

PORTION = 500

M = TypeVar("M", bound=Model)


def portions(rows: QuerySet[M]) -> Iterator[list[M]]:
    """Yield the rows in their order, up to PORTION at a time; only their ids (8 bytes each) are all held.

    The order is that of the beginning. What is written meanwhile is not found, and what is deleted is left out.
    """
    ids = array("q", rows.values_list("pk", flat=True).iterator())
    for start in range(0, len(ids), PORTION):
        portion = ids[start : start + PORTION].tolist()
        found = {row.pk: row for row in rows.filter(pk__in=portion).order_by()}
        yield [found[pk] for pk in portion if pk in found]
