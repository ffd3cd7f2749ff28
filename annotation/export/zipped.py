"""A whole export, or any other folder, as one ZIP to download."""

import tempfile
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from annotation.export.files import export_write
from annotation.export.others import OTHER_FORMATS, other_write
from annotation.models import Study


def folder_zipped(folder: Path) -> BinaryIO:
    """Return a ZIP of the folder, at its start. It lies on disk, and goes when it is closed."""
    file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  (who sends it closes it)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in sorted(folder.rglob("*")):
            zipped.write(path, path.relative_to(folder.parent))
    file.seek(0)
    return file


def export_zipped(*, study: Study, format: str, command: str, formula_safe: bool, **options: Any) -> BinaryIO:
    """Return a ZIP of what `export_ratings` writes, as `folder_zipped` does.

    Raises ServiceError where the study's definition has changed since it was opened.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / f"{study.slug}-v{study.version}"
        common = {"study": study, "directory": folder, "format": format, "command": command, **options}
        if format in OTHER_FORMATS:
            other_write(**common)
        else:
            export_write(formula_safe=formula_safe and format == "csv", **common)
        return folder_zipped(folder)
