"""Downloads of the blinded export, one table at a time, streamed."""

import json
import tempfile
from collections import Counter
from typing import Any, BinaryIO

from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from annotation.errors import ServiceError
from annotation.export.codebook import codebook_data, codebook_markdown
from annotation.export.files import export_refusal
from annotation.export.others import OTHER_FORMATS
from annotation.export.release import found_lines, looked_through
from annotation.export.tables import Table, study_tables
from annotation.export.writers import FORMATS, csv_lines, jsonl_lines, parquet_write
from annotation.export.zipped import export_zipped
from annotation.forms import ExportForm
from annotation.http import get_study_for_researcher, read_view, request_user
from annotation.models import Study
from annotation.services.log import look_log

CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
}
CODEBOOK_FORMATS = ("json", "md")
# What is typed there stands in the tables of personas, outputs and items.
REPEATING = ("ratings", "ratings_wide", "ratings_with_texts")


@read_view
def export_download(request: HttpRequest, slug: str, version: int, table: str, format: str) -> HttpResponseBase:
    """Send one table, or the codebook; logged. Refused with 409 where the frozen definition was changed."""
    study = get_study_for_researcher(request, slug, version)
    options = ExportForm(request.GET).options()
    tables = study_tables(study, include_bots=options["include_bots"])
    known = CODEBOOK_FORMATS if table == "codebook" else FORMATS
    if table not in {*tables, "codebook"} or format not in known:
        raise Http404
    if refusal := export_refusal(study):
        return render(request, "annotation/research/refused.html", {"study": study, "reason": refusal}, status=409)
    look_log(user=request_user(request), action="export_download", study=study, table=table, format=format, **options)
    if table == "codebook":
        command = f"download from {request.get_full_path()}"
        response = _codebook(study, tables, format, command=command, options=options)
    else:
        read = looked_through(tables[table], Counter(), release=options["release"])
        response = _table(read, format, formula_safe=options["formula_safe"])
    response["Content-Disposition"] = f'attachment; filename="{study.slug}-v{study.version}-{table}.{format}"'
    return response


@read_view
def export_zip(request: HttpRequest, slug: str, version: int, format: str) -> HttpResponseBase:
    """Send all tables, the codebook and the data card as one ZIP; logged, and refused as a table is."""
    study = get_study_for_researcher(request, slug, version)
    options = ExportForm(request.GET).options()
    if format not in (*FORMATS, *OTHER_FORMATS):
        raise Http404
    if refusal := export_refusal(study):
        return render(request, "annotation/research/refused.html", {"study": study, "reason": refusal}, status=409)
    look_log(user=request_user(request), action="export_zip", study=study, format=format, **options)
    try:
        file = export_zipped(study=study, format=format, command=f"download from {request.get_full_path()}", **options)
    except ServiceError as error:
        context = {"study": study, "reason": str(error)}
        return render(request, "annotation/research/refused.html", context, status=409)
    return FileResponse(file, as_attachment=True, filename=f"{study.slug}-v{study.version}-{format}.zip")


@read_view
def release(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show where people typed e-mail addresses and telephone numbers, and offer downloads without them."""
    study = get_study_for_researcher(request, slug, version)
    tables, found = study_tables(study), Counter[tuple[str, str, str]]()
    for table in tables.values():
        if table.name not in REPEATING:
            for _ in looked_through(table, found, release=False).rows():
                pass
    context = {
        "study": study,
        "found": found_lines(found),
        "tables": list(tables.values()),
        "formats": FORMATS,
        "other_formats": OTHER_FORMATS,
        "codebook_formats": CODEBOOK_FORMATS,
    }
    return render(request, "annotation/research/release.html", context)


def _codebook(
    study: Study, tables: dict[str, Table], format: str, *, command: str, options: dict[str, Any]
) -> HttpResponseBase:
    counts = {table.name: table.count() for table in tables.values()}
    data = codebook_data(study, tables, counts=counts, command=command, include_bots=options["include_bots"])
    data["free_text"] = {"released": options["release"]}
    text = codebook_markdown(data) if format == "md" else json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    return HttpResponse(text, content_type=CONTENT_TYPES[format])


def _table(table: Table, format: str, *, formula_safe: bool) -> HttpResponseBase:
    content_type = CONTENT_TYPES[format]
    if format == "parquet":
        return FileResponse(_parquet_file(table), content_type=content_type)
    lines = jsonl_lines(table) if format == "jsonl" else csv_lines(table, formula_safe=formula_safe)
    return StreamingHttpResponse(lines, content_type=content_type)


def _parquet_file(table: Table) -> BinaryIO:
    """Parquet keeps its index at the end, so the whole file is written before its first byte is sent."""
    file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  (FileResponse closes it)
    parquet_write(table, file)
    file.seek(0)
    return file
