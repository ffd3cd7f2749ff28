"""A database of a benchmark's own: SQLite in a temporary folder, or the empty one that DATABASE_URL names."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def own_database() -> Iterator[Any]:
    """Set Django up on a migrated database and yield the connection; the folder is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{Path(folder) / 'benchmark.sqlite3'}")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0, interactive=False)
        yield connection
        connection.close()


def settle(connection: Any) -> None:
    """Let PostgreSQL look at what has been filled in, as a server does by itself within a minute."""
    if connection.vendor == "postgresql":
        connection.cursor().execute("VACUUM ANALYZE")
