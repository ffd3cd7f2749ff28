"""A report as a directory, written beside its place and moved there whole."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from annotation.errors import ServiceError
from modelhub.analysis.data import Data
from modelhub.report.build import build_document
from modelhub.report.facts import study_facts
from modelhub.report.figures.paper import WIDTHS, printed
from modelhub.report.heds import heds_markdown, heds_sheet
from modelhub.report.html import document_html
from modelhub.report.latexreport import document_latex
from modelhub.report.longtable import long_rows
from modelhub.report.markdown import document_markdown
from modelhub.report.methods import methods_bibliography, methods_latex, methods_markdown
from modelhub.report.rscript import clmm_script, long_csv
from modelhub.report.sections.document import Document
from modelhub.report.sections.names import Names
from modelhub.report.tables import csv_text, table_csv, table_latex
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


def bundle_write(
    *, directory: Path, results: Results, data: Data, replace: bool = False, figure_width: float = WIDTHS["double"]
) -> Document:
    """Write the report of these results into `directory`, and return it. `figure_width` is in inches.

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
        for file, content in (*_texts(document, results, data, figure_width), *_figures(document, figure_width)):
            path = made / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        if directory.exists():
            directory.rename(Path(name) / "old")  # removed with the temporary directory
        made.rename(directory)
    return document


def _texts(document: Document, results: Results, data: Data, figure_width: float) -> Iterator[tuple[str, str]]:
    sheet = heds_sheet(results, study_facts(data.study))
    yield "report.html", document_html(document)
    yield "report.md", document_markdown(document)
    yield "report.tex", document_latex(document, figure_width)
    yield RESULTS, results.model_dump_json(indent=2) + "\n"
    yield "methods.md", methods_markdown(results)
    yield "methods.tex", methods_latex(results)
    yield "references.bib", methods_bibliography(results)
    yield "heds.json", _json(sheet)
    yield "heds.md", heds_markdown(sheet)
    yield "long.csv", long_csv(long_rows(data))
    sliders = [question.key for question in results.study.questions if question.level == "interval"]
    yield "clmm.R", clmm_script(Names.of(results).conditions, sliders)
    for table in document.tables:
        yield f"tables/{table.key}.csv", table_csv(table)
        yield f"tables/{table.key}.tex", table_latex(table)


def _figures(document: Document, width: float) -> Iterator[tuple[str, str | bytes]]:
    for figure in document.figures:
        yield figure.csv, csv_text(figure.drawing.rows)
        yield from ((f"figures/{figure.key}.{form}", content) for form, content in printed(figure.drawing, width))


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
