"""Editing a draft: a page for each section of its study file, with the participant's page beside it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotation.differences import differences
from annotation.errors import OutputsWouldGo, ServiceError, StaleVersion
from annotation.http import form_view, get_study_to_run, head_changes_nothing, request_user
from annotation.models import Study
from annotation.protocol import definition_hash, definition_of
from annotation.services.studies import study_rewrite
from annotation.studyfile import StudyFileError, file_data, read_study_data
from annotation.studyforms.editing import SectionForm
from annotation.studyforms.sections import FormSection, form_sections, section_of_key
from annotation.views.research_make_preview import preview_context

# Which of the participant's pages stands beside a section.
_SHOWN = {"practice": "practice", "quiz": "quiz", "questionnaires": "survey_before", "texts": "consent",
          "retention": "consent", "elicitation": "write"}  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@head_changes_nothing
def edit(request: HttpRequest, slug: str, version: int, section: str) -> HttpResponse:
    """Show the form of a section, change its rows, or save it."""
    study, page = get_study_to_run(request, slug, version), _section(section)
    if study.state != Study.State.DRAFT:
        return frozen_page(request, study)
    data = file_data(definition_of(study))
    if request.method != "POST":
        return _form_page(request, study, page, SectionForm.standing(page, data))
    if (button := request.POST.get("do", "save")) != "save":
        form = SectionForm.sent(page, data, request.POST)
        form.act(button)
        return _form_page(request, study, page, form)
    with TemporaryDirectory() as folder:
        return _save(request, study, page, _sent(request, page, data, Path(folder)), Path(folder))


@form_view("annotation:make_edit", "slug", "version", "section")
def edit_preview(request: HttpRequest, slug: str, version: int, section: str) -> HttpResponse:
    """Show a participant's page as it would be with what is typed; nothing is saved."""
    study, page = get_study_to_run(request, slug, version), _section(section)
    with TemporaryDirectory() as folder:
        form = _sent(request, page, file_data(definition_of(study)), Path(folder))
        context = preview_context(request, study, form.typed(), _SHOWN.get(section, "rate"), Path(folder))
    return render(request, "annotation/research/_make_preview.html", context)


def frozen_page(request: HttpRequest, study: Study) -> HttpResponse:
    """Say that the study is frozen, and what can be done instead."""
    status = 200 if request.method in ("GET", "HEAD") else 409
    return render(request, "annotation/research/make_frozen.html", {"study": study}, status=status)


def save_problem(error: ServiceError) -> dict[str, Any]:
    """Return what a page of the form shows where its changes were not saved, with the status of the answer."""
    if isinstance(error, StudyFileError):
        return {"file_problems": error.problems, "status": 422}
    if isinstance(error, OutputsWouldGo):
        return {"outputs": error.count, "status": 409}
    return {"problem": str(error), "status": 409}


def _section(name: str) -> FormSection:
    found = next((one for one in form_sections() if one.name == name), None)
    if found is None:
        raise Http404("There is no such section.")
    return found


def _sent(request: HttpRequest, page: FormSection, data: dict[str, Any], folder: Path) -> SectionForm:
    """Return the form as it was typed. Images sent along are put into the folder, in place of those that were named."""
    typed = {str(name): value for name, value in request.POST.items()}
    for name in request.FILES:
        if name.endswith(".image.file") and (file := request.FILES.get(name)):
            place = folder / str(len(list(folder.iterdir())))  # two files may have one name
            place.mkdir()
            path = place / Path(file.name or "image").name
            path.write_bytes(file.read())
            typed[name.removesuffix(".file")] = str(path.relative_to(folder))
    return SectionForm.sent(page, data, typed)


def _save(request: HttpRequest, study: Study, page: FormSection, form: SectionForm, folder: Path) -> HttpResponse:
    typed = form.typed()
    form.settle()
    try:
        study_rewrite(
            study=study,
            definition=read_study_data(typed, folder),
            seen=request.POST.get("seen", ""),
            user=request_user(request),
            discard_outputs="discard" in request.POST,
        )
    except StaleVersion:
        stands = {key: value for key, value in form.data.items() if key in page.keys}
        mine = {key: value for key, value in typed.items() if key in page.keys}
        return _form_page(request, study, page, form, stale=True, differences=differences(stands, mine), status=409)
    except ServiceError as error:
        return _form_page(request, study, page, form, **save_problem(error))
    messages.success(request, _("Saved."))
    return redirect("annotation:make_edit", study.slug, study.version, page.name)


def _form_page(
    request: HttpRequest, study: Study, page: FormSection, form: SectionForm, *, status: int = 200, **extra: Any
) -> HttpResponse:
    inputs, elsewhere = form.inputs(extra.pop("file_problems", []))
    context = {
        "study": study,
        "section": page,
        "sections": form_sections(),
        "inputs": inputs,
        "wrong": [one for top in inputs for one in top.walk() if one.problems],
        "elsewhere": [(problem, section_of_key(problem.path.split(".")[0].split("[")[0])) for problem in elsewhere],
        "seen": definition_hash(study),
        **preview_context(request, study, form.typed(), _SHOWN.get(page.name, "rate")),
        **extra,
    }
    return render(request, "annotation/research/make_edit.html", context, status=status)
