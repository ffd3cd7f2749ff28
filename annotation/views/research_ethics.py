"""The page for an ethics board, and the key that says which participant is whom."""

import csv

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from annotation.errors import ServiceError
from annotation.ethics import ethics_markdown, ethics_sections
from annotation.http import form_view, get_study_to_run, get_study_with_key, read_view, request_user
from annotation.models import Study
from annotation.permissions import may_have_key
from annotation.services.linking import KEY_COLUMNS, key_destroy, key_read


@read_view
def ethics(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show what is kept of participants, where, for how long, and who sees it."""
    return _page(request, get_study_to_run(request, slug, version))


@read_view
def ethics_download(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Send the same as Markdown."""
    study = get_study_to_run(request, slug, version)
    return _file(ethics_markdown(study), "text/markdown; charset=utf-8", f"{study.slug}-v{study.version}-ethics.md")


@read_view
def key(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Send the key, a file of its own; logged."""
    study = get_study_with_key(request, slug, version)
    try:
        rows = key_read(study=study, user=request_user(request))
    except ServiceError as error:
        return _page(request, study, problem=str(error), status=409)
    response = _file("", "text/csv; charset=utf-8", f"{study.slug}-v{study.version}-key.csv")
    writer = csv.writer(response)
    writer.writerow(KEY_COLUMNS)
    writer.writerows(rows)
    return response


@form_view("annotation:ethics")
def key_destroyed(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Destroy the key for good, once that is confirmed."""
    study = get_study_with_key(request, slug, version)
    if "confirmed" not in request.POST:
        return _page(request, study, problem=_("Tick the box first: nobody can undo this."), status=422)
    try:
        forgotten = key_destroy(study=study, user=request_user(request))
    except ServiceError as error:
        return _page(request, study, problem=str(error), status=409)
    messages.success(
        request, _("The key is destroyed: %(count)s participants cannot be told any more.") % {"count": forgotten}
    )
    return redirect("annotation:ethics", slug, version)


def _file(content: str, content_type: str, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _page(request: HttpRequest, study: Study, *, problem: str = "", status: int = 200) -> HttpResponse:
    context = {
        "study": study,
        "sections": ethics_sections(study),
        "has_key": may_have_key(request_user(request), study) and study.key_destroyed_at is None,
        "is_closed": study.state == Study.State.CLOSED,
        "problem": problem,
    }
    return render(request, "annotation/research/ethics.html", context, status=status)
