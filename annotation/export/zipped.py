"""A whole export as one ZIP."""

import tempfile
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from annotation.export.files import export_write
from annotation.export.others import OTHER_FORMATS, other_write
from annotation.models import Study


def export_zipped(*, study: Study, format: str, command: str, formula_safe: bool, **options: Any) -> BinaryIO:
    """Return a file with a ZIP of what `export_ratings` writes, at its start. It lies on disk, and goes when closed.

    Raises ServiceError where the study's definition has changed since it was opened.
    """
    file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  (who sends it closes it)
    with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        folder = Path(name) / "export"
        common = {"study": study, "directory": folder, "format": format, "command": command, **options}
        if format in OTHER_FORMATS:
            other_write(**common)
        else:
            export_write(formula_safe=formula_safe and format == "csv", **common)
        for path in sorted(folder.rglob("*")):
            zipped.write(path, f"{study.slug}-v{study.version}/{path.relative_to(folder)}")
    file.seek(0)
    return file
