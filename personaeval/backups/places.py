"""Where a backup may be taken from, and where it may be put: into nothing, or a database that nobody has used yet."""

from collections.abc import Mapping

from annotation.errors import ServiceError

# What `migrate` itself fills.
MADE_BY_MIGRATE = {
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
}


def in_use_by(rows: Mapping[str, int], place: str, remedy: str) -> None:
    """Raise ServiceError where the tables of a place hold anything that somebody has put there."""
    used = [
        f"{table} ({count} rows)" for table, count in sorted(rows.items()) if count and table not in MADE_BY_MIGRATE
    ]
    if used:
        raise ServiceError(
            f"{place} is not empty: {', '.join(used[:3])}{' and more' if used[3:] else ''}. A backup is restored "
            f"into an empty place only. Back up what is there if it is needed, stop the site and its workers, and "
            f"{remedy}; then give the same command again."
        )


def needs_a_database(place: str) -> ServiceError:
    """Return the error for a place with nothing in it to back up."""
    return ServiceError(
        f"There is nothing to back up: {place} holds no site. Is DATABASE_URL (or VAR_DIR) the right one?"
    )
