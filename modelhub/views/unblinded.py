"""The unblinded export as a download."""

import tempfile
from pathlib import Path

from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

from annotation.errors import ServiceError
from annotation.export import FORMATS
from annotation.export.zipped import folder_zipped
from annotation.forms import ExportForm
from annotation.http import read_view, request_user
from annotation.services.log import look_log
from modelhub.analysis.unblinded import unblinded_write
from modelhub.http import get_study_to_unblind


@read_view
def unblinded_download(request: HttpRequest, slug: str, version: int, format: str) -> HttpResponseBase:
    """Send ratings and outputs with the system behind each arm, in one archive; logged."""
    study = get_study_to_unblind(request, slug, version)
    if format not in FORMATS:
        raise Http404("There is no such format.")
    include_bots = ExportForm(request.GET).options()["include_bots"]
    # Logged before anything is written: an export that fails half-way has still been looked at.
    look_log(user=request_user(request), action="export_unblinded", study=study, format=format)
    name = f"{study.slug}-v{study.version}-unblinded"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / name
        try:
            unblinded_write(
                study=study, directory=folder, format=format, include_bots=include_bots,
                command=f"download from {request.get_full_path()}",
            )  # fmt: skip
        except ServiceError as error:
            context = {"study": study, "reason": str(error)}
            return render(request, "annotation/research/refused.html", context, status=409)
        packed = folder_zipped(folder)
    return FileResponse(packed, as_attachment=True, filename=f"{name}.zip", content_type="application/zip")
