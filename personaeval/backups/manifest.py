"""What a backup says of itself: what it was made of, when, by which code, and what has to be found in it again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.migrations.loader import MigrationLoader
from pydantic import BaseModel, ConfigDict

from annotation.errors import ServiceError
from personaeval import __version__
from personaeval.checkout import git_output

FORMAT = 1


@dataclass(frozen=True)
class Contents:
    """What a database holds at one moment: its migrations, as `app.name`, and the number of rows of every table."""

    migrations: list[str]
    rows: dict[str, int]


class Manifest(BaseModel):
    """The file manifest.json of a backup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    made_at: datetime
    version: str
    commit: str
    engine: str
    server: str
    migrations: list[str]
    rows: dict[str, int]
    dump_bytes: int
    dump_sha256: str

    @property
    def contents(self) -> Contents:
        """What the database held."""
        return Contents(self.migrations, self.rows)


def code_version() -> dict[str, str]:
    """Return the version of this code, and its git commit or ""."""
    return {"version": __version__, "commit": git_output(settings.BASE_DIR, "rev-parse", "HEAD") or ""}


def migrations_unknown(migrations: Iterable[str]) -> list[str]:
    """Return those of them that this code does not have: they were made by a newer one."""
    return sorted(set(migrations) - _known())


def migrations_missing(migrations: Iterable[str]) -> list[str]:
    """Return what this code would still apply to a database with these migrations."""
    return sorted(_known() - set(migrations))


def _known() -> set[str]:
    return {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}


def same_rows(there: Contents, meant: Contents) -> None:
    """Raise ServiceError where a restored database does not hold what its backup says it holds."""
    pairs = [(table, there.rows.get(table), meant.rows.get(table)) for table in sorted({*there.rows, *meant.rows})]
    wrong = [f"{table}: {found} rows instead of {named}" for table, found, named in pairs if found != named]
    if wrong:
        raise ServiceError(f"The restored database does not hold what the backup names: {'; '.join(wrong)}.")
