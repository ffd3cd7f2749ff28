"""Make a backup of the site's database while people go on with it."""

import re
from datetime import UTC, datetime
from pathlib import Path

from django.db import connection

from annotation.errors import ServiceError
from personaeval.backups import postgresql, sqlite
from personaeval.backups.archive import DumpWriter, Progress
from personaeval.backups.aside import draft_in, put
from personaeval.backups.manifest import FORMAT, Manifest, code_version

_NAME = re.compile(r"personaeval-\d{8}T\d{6}Z\.zip", re.ASCII)
ENGINES = {"sqlite": sqlite, "postgresql": postgresql}


def backup_make(*, target: Path, replace: bool, progress: Progress) -> Manifest:
    """Write a backup to `target`, whole or not at all, for its owner alone to read; return its manifest.

    Raises:
        ServiceError: something is there already and may not be replaced, or the database cannot be read.
        OSError: the file cannot be written.
    """
    _refuse_what_is_there(target, replace=replace)
    engine = ENGINES[connection.vendor]
    with draft_in(target.parent) as draft:
        made_at = datetime.now(UTC)  # nothing that is in it is younger than this, and what is older is in it
        with DumpWriter(draft) as archive, engine.dumped(target, progress) as (dump, contents):
            length, digest = archive.dump(dump, progress, compress=engine.COMPRESS)
            manifest = Manifest(
                format=FORMAT, made_at=made_at, **code_version(), engine=connection.vendor, server=engine.server(),
                migrations=contents.migrations, rows=contents.rows, dump_bytes=length, dump_sha256=digest,
            )  # fmt: skip
            archive.manifest(manifest)
        _refuse_what_is_there(target, replace=replace)  # another backup may have been made meanwhile
        put(draft, target)
    return manifest


def _refuse_what_is_there(target: Path, *, replace: bool) -> None:
    if not target.exists():
        return
    if not target.is_file():
        raise ServiceError(f"{target} is no file, and a backup would take its place. Name a file or a folder.")
    if not replace:
        raise ServiceError(f"{target} is there already. Name another file, or replace it with --force.")


def backup_add(*, folder: Path, keep: int | None, progress: Progress) -> tuple[Path, Manifest]:
    """Write a backup named after the time into `folder`, and delete the oldest ones beyond the number to keep."""
    target = folder / f"personaeval-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.zip"
    manifest = backup_make(target=target, replace=False, progress=progress)
    if keep is not None:
        # Not by name alone: where the clock was wrong once, the one that was just made is not the last.
        others = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path != target)
        for old in others[: max(0, len(others) + 1 - keep)]:
            old.unlink()
    return target, manifest
