"""Making a study: new, from a file, as a copy, as the next version; and the file and the differences of one."""

from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotation.differences import differences
from annotation.errors import ServiceError
from annotation.http import (
    form_view,
    get_researcher,
    get_study_for_researcher,
    head_changes_nothing,
    read_view,
    request_user,
)
from annotation.makeforms import CopyForm, NamedForm, StarterForm, StudyFileForm
from annotation.models import Study, User
from annotation.permissions import RENEW_ONLY, AccessRefused, may_share, visible_studies
from annotation.protocol import definition_of
from annotation.services import studymaking
from annotation.services.log import look_log
from annotation.studyfile import StudyFileError, file_data, study_content
from annotation.studyfile.starters import STARTERS
from annotation.studyfile.uploads import read_upload
from annotation.studyforms.sections import FIRST


@require_http_methods(["GET", "HEAD", "POST"])
@head_changes_nothing
def study_new(request: HttpRequest) -> HttpResponse:
    """Show the ways to a new study, and take the form of one of them."""
    user = get_researcher(request)
    way = request.POST.get("way", "")
    sent = {way: request.POST}
    forms: dict[str, Form] = {
        "starter": StarterForm(sent.get("starter"), initial={"starter": STARTERS[0].name}),
        "file": StudyFileForm(sent.get("file"), request.FILES if way == "file" else None),
        "copy": CopyForm(user, sent.get("copy"), auto_id="copy_%s"),
    }
    if request.method != "POST":
        return _new_page(request, forms)
    form = forms.get(way)
    if form is None or not form.is_valid():
        return _new_page(request, forms, status=422)
    try:
        made = _make(form, user)
    except StudyFileError as error:
        _say_problems(form, error)
        return _new_page(request, forms, problems=error.problems if way == "file" else [], status=422)
    except ServiceError as error:
        return _new_page(request, forms, problems=[str(error)], status=409)
    messages.success(request, _("The study is there, as a draft."))
    return redirect("annotation:make_edit", made.slug, made.version, FIRST)


def _make(form: Form, user: User) -> Study:
    given = form.cleaned_data
    if isinstance(form, StudyFileForm):
        return studymaking.study_make(definition=read_upload(given["file"].name, given["file"]), owner=user)
    named = {"slug": given["slug"], "title": given["title"], "owner": user}
    if isinstance(form, CopyForm):
        return studymaking.study_copy(study=given["study"], **named)
    starter = next(one for one in STARTERS if one.name == given["starter"])
    return studymaking.study_make_named(definition=starter.read(), **named)


def _say_problems(form: Form, error: StudyFileError) -> None:
    """Put what is wrong with the name and the title beside them."""
    for problem in error.problems:
        on_field = isinstance(form, NamedForm) and problem.path in form.fields
        form.add_error(problem.path if on_field else None, problem.message if on_field else str(problem))


def _new_page(
    request: HttpRequest, forms: dict[str, Form], *, problems: list[Any] | None = None, status: int = 200
) -> HttpResponse:
    context = {"forms": forms, "starters": STARTERS, "problems": problems or []}
    return render(request, "annotation/research/make_new.html", context, status=status)


DOWNLOADS = {"yaml": "application/yaml; charset=utf-8", "zip": "application/zip"}


@read_view
def study_file(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Download the study as a study file, or as an archive of it with its images, in whatever state it is; logged."""
    study = get_study_for_researcher(request, slug, version)
    content, kind = study_content(definition_of(study))
    response = HttpResponse(content, content_type=DOWNLOADS[kind])
    response["Content-Disposition"] = f'attachment; filename="{study.slug}-v{study.version}.{kind}"'
    look_log(user=request_user(request), action="study_download", study=study)
    return response


@form_view("annotation:study")
def study_renew(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Make a draft of the next version."""
    study = get_study_for_researcher(request, slug, version)
    if not may_share(request_user(request), study):
        raise AccessRefused(RENEW_ONLY)
    made = studymaking.study_renew(study=study, user=request_user(request))
    messages.success(request, _("Version %(version)d is there, as a draft.") % {"version": made.version})
    return redirect("annotation:make_edit", made.slug, made.version, FIRST)


@read_view
def study_differences(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show what differs between this version and another one, by default the one before."""
    study = get_study_for_researcher(request, slug, version)
    others = visible_studies(request_user(request)).filter(slug=slug).exclude(pk=study.pk).order_by("-version")
    asked = request.GET.get("with", "")
    other = next((one for one in others if str(one.version) == asked), None)
    if asked and other is None:
        raise Http404("There is no such version.")
    earlier = [one for one in others if one.version < study.version]
    other = other or next(iter([*earlier, *others]), None)
    context = {
        "study": study,
        "other": other,
        "others": others,
        "differences": differences(file_data(definition_of(other)), file_data(definition_of(study))) if other else [],
    }
    return render(request, "annotation/research/make_differences.html", context)
