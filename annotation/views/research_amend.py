"""Amendments: what an opened study may still change, with the reason, and what was changed before."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from annotation.amendform import AmendmentForm, WaveForm
from annotation.errors import NotAllowedNow, ServiceError
from annotation.http import form_view, get_study_for_researcher, read_view, request_user
from annotation.models import Amendment, Study, User
from annotation.services.amendments import OPENED, AmendmentError, study_amend
from annotation.services.waves import wave_add
from annotation.wavefiles import read_wave


@read_view
def amendments(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show the amendments there are, and the form that makes another one."""
    study = get_study_for_researcher(request, slug, version)
    return _page(request, study, AmendmentForm(study))


@form_view("annotation:amendments")
def amend(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Amend an opened study."""
    study = get_study_for_researcher(request, slug, version)
    form = AmendmentForm(study, request.POST)
    if not form.is_valid():
        return _page(request, study, form, status=422)
    reason = form.cleaned_data["reason"]
    try:
        amendment = study_amend(study=study, wanted=form.wanted(), reason=reason, user=request_user(request))
    except AmendmentError as error:
        form.take(error)
        return _page(request, study, form, status=422)
    except ServiceError as error:
        form.add_error(None, str(error))
        return _page(request, study, form, status=409 if isinstance(error, NotAllowedNow) else 422)
    messages.success(request, _("Amendment %(number)s is in force.") % {"number": amendment.number})
    return redirect("annotation:amendments", slug, version)


@form_view("annotation:amendments")
def wave(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Add the items of a file to an opened study."""
    study = get_study_for_researcher(request, slug, version)
    form = WaveForm(request.POST, request.FILES, auto_id="wave_%s")
    if not form.is_valid():
        return _page(request, study, AmendmentForm(study), wave_form=form, status=422)
    try:
        amendment = _added(study, form, request_user(request))
    except ServiceError as error:
        status = 409 if isinstance(error, NotAllowedNow) else 422
        return _page(request, study, AmendmentForm(study), wave_form=form, problem=str(error), status=status)
    messages.success(request, _("Amendment %(number)s is in force.") % {"number": amendment.number})
    return redirect("annotation:amendments", slug, version)


def _added(study: Study, form: WaveForm, user: User) -> Amendment:
    """Add what the file holds; it is read from a folder that is gone afterwards."""
    sent = form.cleaned_data["items"]
    with TemporaryDirectory() as folder:
        path = Path(folder) / Path(sent.name).name
        path.write_bytes(sent.read())
        items, responses = read_wave(path)
    return wave_add(study=study, items=items, responses=responses, reason=form.cleaned_data["reason"], user=user)


def _page(
    request: HttpRequest,
    study: Study,
    form: AmendmentForm,
    *,
    wave_form: WaveForm | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    first, *others = problem.splitlines() or [""]
    context: dict[str, Any] = {
        "study": study,
        "form": form,
        "wave_form": wave_form or WaveForm(auto_id="wave_%s"),
        "problem": first,
        "problems": [line.removeprefix("- ") for line in others],
        "may_amend": study.state in OPENED,
        "amendments": study.amendments.select_related("user").order_by("-number"),
    }
    return render(request, "annotation/research/amendments.html", context, status=status)
