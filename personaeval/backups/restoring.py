"""Put a backup back into an empty place, after it has been checked."""

from pathlib import Path

from django.db import connection

from annotation.errors import ServiceError
from personaeval.backups.archive import Progress, backup_opened
from personaeval.backups.making import ENGINES
from personaeval.backups.manifest import Manifest, migrations_unknown


def backup_check(*, source: Path, progress: Progress) -> Manifest:
    """Read a whole backup without restoring it, and return its manifest; ServiceError where it is damaged."""
    with backup_opened(source) as backup:
        backup.verify(progress)
        return backup.manifest


def backup_restore(*, source: Path, progress: Progress) -> Manifest:
    """Restore a backup into the place that DATABASE_URL names and return its manifest.

    Whatever ends this, the place is empty or holds all of it, and the same call may be made again.

    Raises:
        ServiceError: the backup is damaged, of another kind of database, or of newer code; or the place is in use.
    """
    with backup_opened(source) as backup:
        _refuse_what_does_not_fit(backup.manifest)
        backup.verify(progress)
        ENGINES[connection.vendor].load(backup, progress)
        return backup.manifest


def _refuse_what_does_not_fit(manifest: Manifest) -> None:
    if manifest.engine != connection.vendor:
        raise ServiceError(
            f"This backup is of {manifest.engine}, and DATABASE_URL names {connection.vendor}. Restore it into "
            f"{manifest.engine}."
        )
    if unknown := migrations_unknown(manifest.migrations):
        raise ServiceError(
            f"This backup was made by newer code (version {manifest.version}, commit {manifest.commit or 'unknown'}): "
            f"{unknown[0]} is not known here. Update the checkout first, then give the same command again."
        )
