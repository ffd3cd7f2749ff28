"""The pages on which a researcher brings items, given personas and outputs into a draft."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotation.errors import ServiceError
from annotation.http import form_view, get_study_for_researcher, get_study_to_run, read_view, request_user
from annotation.models import Study, Upload
from annotation.services.uploads import upload_choose, upload_remove, upload_store
from modelhub.access import may_unblind
from modelhub.bringforms import FIELD_NAMES, ColumnsForm, UploadForm
from modelhub.bringing import Preview, arm_choices, data_counts, options_of, preview_of, upload_import
from modelhub.models import ArmBinding

ROWS_SHOWN = 10
PROBLEMS_PER_PAGE = 50


@read_view
def data(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show what a study has, and what waits to be imported."""
    return _data_page(request, get_study_for_researcher(request, slug, version), UploadForm())


@form_view("modelhub:data")
def data_add(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Keep a file, and go on to its preview."""
    study = get_study_to_run(request, slug, version)
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _data_page(request, study, form, status=422)
    file = form.cleaned_data["file"]
    try:
        kept = upload_store(
            study=study, user=request_user(request), kind=form.cleaned_data["kind"], name=file.name, content=file.read()
        )
    except ServiceError as error:
        return _data_page(request, study, form, problem=str(error), status=409)
    return redirect("modelhub:upload", slug, version, kept.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest, slug: str, version: int, pk: int) -> HttpResponse:
    """Show what a file would bring; keep another choice of columns, and import it where that is asked for."""
    study = get_study_to_run(request, slug, version)
    found = _own_upload(request, study, pk)
    if request.method != "POST":
        return _upload_page(request, found, preview_of(found))
    preview = preview_of(found)
    form = _columns_form(request, found, preview, request.POST)
    if not form.is_valid():
        return _upload_page(request, found, preview, form=form, status=422)
    upload_choose(upload=found, columns=form.columns(), options=form.options())
    if "import" not in request.POST:
        return redirect("modelhub:upload", slug, version, pk)
    try:
        said = upload_import(upload=found, user=request_user(request))
    except ServiceError as error:
        preview = preview_of(found)
        preview.problems = preview.problems or str(error).split("\n")
        return _upload_page(request, found, preview, refused=True, status=422)
    messages.success(request, f"{found.name}: {said}")
    return redirect("modelhub:data", slug, version)


@form_view("modelhub:data")
def upload_forget(request: HttpRequest, slug: str, version: int, pk: int) -> HttpResponse:
    """Forget a file that is not wanted."""
    study = get_study_to_run(request, slug, version)
    found = _own_upload(request, study, pk)
    upload_remove(upload=found)
    messages.success(request, _("Removed %(name)s; nothing of it was imported.") % {"name": found.name})
    return redirect("modelhub:data", slug, version)


def _own_upload(request: HttpRequest, study: Study, pk: int) -> Upload:
    """Return an upload of the person's own: what stands in others' files may say which arm is which."""
    return get_object_or_404(study.uploads.select_related("study__owner"), pk=pk, user=request_user(request))


def _data_page(
    request: HttpRequest, study: Study, form: UploadForm, *, problem: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "study": study,
        "form": form,
        "problem": problem,
        "is_draft": study.state == Study.State.DRAFT,
        "uploads": study.uploads.filter(user=request_user(request)).defer("content"),
        **data_counts(study),
    }
    return render(request, "modelhub/data.html", context, status=status)


def _upload_page(
    request: HttpRequest,
    found: Upload,
    preview: Preview,
    *,
    form: ColumnsForm | None = None,
    refused: bool = False,
    status: int = 200,
) -> HttpResponse:
    fields = preview.fields
    context = {
        "study": found.study,
        "upload": found,
        "form": form or _columns_form(request, found, preview),
        "preview": preview,
        "fields": [FIELD_NAMES[name] for name in fields],
        "refused": refused,
        "page": Paginator(preview.problems, PROBLEMS_PER_PAGE).get_page(request.GET.get("page")),
        "rows": [
            (record.at, [record.values.get(name, "") for name in fields]) for record in preview.records[:ROWS_SHOWN]
        ],
        "row_count": len(preview.records),
    }
    return render(request, "modelhub/upload.html", context, status=status)


def _columns_form(request: HttpRequest, found: Upload, preview: Preview, data: Any = None) -> ColumnsForm:
    systems: dict[int, str] = {}
    if may_unblind(request_user(request), found.study):
        bindings = ArmBinding.objects.filter(arm__study=found.study)
        systems = dict(bindings.values_list("arm", "system__name"))
    initial = {f"column_{name}": column for name, column in preview.chosen.items()}
    return ColumnsForm(
        data,
        upload=found,
        columns=preview.columns,
        arms=arm_choices(found.study, systems),
        initial={**initial, **options_of(found)},
    )
