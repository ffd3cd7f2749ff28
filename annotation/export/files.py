"""Write a whole export into a directory, or say why it may not be written."""

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from annotation.errors import ServiceError
from annotation.export.card import UNKNOWN, CardFacts, card
from annotation.export.codebook import codebook_data, codebook_markdown
from annotation.export.images import ItemImages
from annotation.export.release import Found, found_lines, looked_through
from annotation.export.tables import study_tables
from annotation.export.writers import FORMATS, table_write
from annotation.models import Study
from annotation.protocol import protocol_hash

__all__ = ["FORMATS", "export_refusal", "export_write"]


def export_refusal(study: Study) -> str:
    """Return why `study` may not be exported, or "" if it may.

    The hash taken at opening stands on every row, so the definition in the database has to be the one it was taken of.
    """
    if study.state == Study.State.DRAFT:
        return ""
    now = protocol_hash(study)
    if now == study.protocol_hash:
        return ""
    return (
        f"Study {study} was changed after it was opened: its definition had the hash {study.protocol_hash} then and "
        f"has {now} now. Nothing was exported, because the rows would carry a hash that does not describe them. "
        "Restore the definition from a backup, or find out what was changed in the database by hand."
    )


def export_write(
    *,
    study: Study,
    directory: Path,
    format: str,
    command: str,
    formula_safe: bool = False,
    include_bots: bool = False,
    external_ids: bool = False,
    release: bool = False,
    license: str = UNKNOWN,
    found: Found | None = None,
    progress: Callable[[str], None] = lambda name: None,
) -> dict[str, int]:
    """Write all tables, their codebook and the data card into `directory`, replacing those of the same names.

    Returns the rows by table. Files are made aside and moved at the end: a killed export leaves whole ones.
    `found` counts the cells with e-mail addresses and telephone numbers; a `release` has marks in their places.
    Each table is read in one statement, so it is consistent in itself while participants go on.
    Raises ServiceError where the study's definition has changed since it was opened, or an image is gone.
    """
    _make_ready(study, directory)
    counts, holes = dict[str, int](), dict[str, set[str]]()
    found = Counter() if found is None else found
    with tempfile.TemporaryDirectory(dir=directory, prefix=".export-") as name:
        beside = Path(name)
        ItemImages(study).write(beside)
        tables = study_tables(study, include_bots=include_bots, external_ids=external_ids)
        for table in tables.values():
            progress(table.name)
            read = looked_through(table, found, release=release)
            with (beside / f"{table.name}.{format}").open("wb") as sink:
                counts[table.name], holes[table.name] = table_write(
                    read, sink, format=format, formula_safe=formula_safe
                )
        codebook = codebook_data(study, tables, counts=counts, command=command, include_bots=include_bots)
        codebook["free_text"] = {"released": release, "found": found_lines(found)}
        facts = CardFacts(format, formula_safe, external_ids, license, holes)
        _describe(beside, codebook, card(study, tables, codebook, facts))
        files_move(beside, directory)
    return counts


def _make_ready(study: Study, directory: Path) -> None:
    if refusal := export_refusal(study):
        raise ServiceError(refusal)
    directory.mkdir(parents=True, exist_ok=True)


def files_move(beside: Path, directory: Path) -> None:
    """Move the files below one folder to where they belong in another, in place of those that are there."""
    for path in sorted(path for path in beside.rglob("*") if path.is_file()):
        target = directory / path.relative_to(beside)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)


def _describe(folder: Path, codebook: dict[str, Any], described: str) -> None:
    (folder / "codebook.json").write_text(json.dumps(codebook, ensure_ascii=False, indent=2) + "\n", "utf-8")
    (folder / "codebook.md").write_text(codebook_markdown(codebook), "utf-8")
    (folder / "README.md").write_text(described, "utf-8")
