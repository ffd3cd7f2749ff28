"""A report as a directory, written beside its place and moved there whole."""

import json
import tempfile
from pathlib import Path
from typing import Any

from annotation.controls.flags import rules_in_words
from annotation.errors import ServiceError
from annotation.models import Study
from modelhub.analysis.data import Data
from modelhub.report.build import build_document
from modelhub.report.heds import StudyFacts, heds_sheet
from modelhub.report.html import document_html
from modelhub.report.longtable import long_rows
from modelhub.report.markdown import document_markdown
from modelhub.report.rscript import clmm_script, long_csv
from modelhub.report.sections.document import Document
from modelhub.report.sections.names import Names
from modelhub.report.tables import table_csv, table_latex
from modelhub.results.report import Results

RESULTS = "results.json"


def bundle_refusal(directory: Path, *, replace: bool) -> str:
    """Return why a report may not be written to `directory`, or "" if it may."""
    if directory.exists() and not directory.is_dir():
        return f"{directory} is a file; name a directory for the report."
    if not directory.exists() or not any(directory.iterdir()):
        return ""
    if not (directory / RESULTS).is_file():
        return f"{directory} holds something other than a report; name a new or an empty directory."
    return "" if replace else f"{directory} holds a report already; name another directory, or add --replace."


def bundle_write(*, directory: Path, results: Results, data: Data, replace: bool = False) -> Document:
    """Write the report of these results into `directory`, and return it.

    Files are written beside their place and moved there at the end, so a killed run leaves nothing or everything.

    Raises:
        ServiceError: the directory holds something that would be lost.
        OSError: the directory cannot be written.
    """
    if refusal := bundle_refusal(directory, replace=replace):
        raise ServiceError(refusal)
    directory.parent.mkdir(parents=True, exist_ok=True)
    document = build_document(results)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".report-") as name:
        made = Path(name) / "new"
        _write(made, document, results, data)
        if directory.exists():
            directory.rename(Path(name) / "old")  # removed with the temporary directory
        made.rename(directory)
    return document


def _write(folder: Path, document: Document, results: Results, data: Data) -> None:
    found = results.model_dump(mode="json")
    files = {
        "report.html": document_html(document),
        "report.md": document_markdown(document),
        RESULTS: _json(found),
        "heds.json": _json(heds_sheet(found, study_facts(data.study))),
        "long.csv": long_csv(long_rows(data)),
        "clmm.R": clmm_script(Names.of(found).conditions),
    }
    for table in document.tables:
        files[f"tables/{table.key}.csv"] = table_csv(table)
        files[f"tables/{table.key}.tex"] = table_latex(table)
    for figure in document.figures:
        files[f"figures/{figure.key}.svg"] = f'<?xml version="1.0" encoding="UTF-8"?>\n{figure.svg}\n'
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def study_facts(study: Study) -> StudyFacts:
    """Return what the datasheet needs to know of a study beyond its results."""
    return StudyFacts(
        practice_parts=len(study.practice),
        has_quiz=bool(study.quiz),
        platform=str(study.recruitment.get("platform", "")),
        contact=study.contact,
        rules=tuple(rules_in_words(study)),
        opened_at=study.opened_at.isoformat(timespec="seconds") if study.opened_at else "",
        hours_per_part=study.assignment_hours,
    )


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
