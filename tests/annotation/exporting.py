"""Exporting a study and reading its tables back, for tests."""

from pathlib import Path
from typing import Any

from annotation.export import export_write, study_tables
from annotation.models import Study


def export(study: Study, directory: Path, format: str = "jsonl", **options: Any) -> dict[str, int]:
    return export_write(study=study, directory=directory, format=format, command="test", **options)


def rows_of(study: Study, table: str, **options: Any) -> list[dict[str, Any]]:
    return list(study_tables(study, **options)[table].rows())
