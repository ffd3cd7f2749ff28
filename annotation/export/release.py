"""Look through what people typed while it is exported: count contacts, and for a release put marks in their places."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from django.conf import settings

from annotation.contacts import contacts_in, contacts_marked

if TYPE_CHECKING:
    from annotation.export.tables import Row, Table

# (table, column, kind) -> in how many cells
Found = Counter[tuple[str, str, str]]


def looked_through(table: "Table", found: Found, *, release: bool) -> "Table":
    """Return the table with its typed columns looked through as its rows pass; `found` is counted up meanwhile.

    Where this is a `release`, every e-mail address and telephone number is replaced by a mark.
    """
    typed = [column.name for column in table.columns if column.typed]
    regions = settings.PHONE_REGIONS

    def rows() -> Iterator["Row"]:
        for row in table.rows():
            for name in typed:
                text = row[name]
                if text and (contacts := contacts_in(text, regions)):
                    found.update((table.name, name, kind) for kind in {contact.kind for contact in contacts})
                    if release:
                        row[name] = contacts_marked(text, regions)
            yield row

    return replace(table, rows=rows) if typed else table


def found_lines(found: Found) -> list[str]:
    """Return what was found, a line for each column and kind."""
    names = {"e-mail": "an e-mail address", "telephone": "a telephone number"}
    return [
        f"{table}.{column}: {names[kind]} in {number} cell{'' if number == 1 else 's'}"
        for (table, column, kind), number in sorted(found.items())
    ]
