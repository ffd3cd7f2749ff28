"""Amendments: what an opened study may still change, with the reason, and what was changed before."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from annotation.amendform import AmendmentForm
from annotation.errors import NotAllowedNow, ServiceError
from annotation.http import form_view, get_study_for_researcher, read_view, request_user
from annotation.models import Study
from annotation.services.amendments import OPENED, AmendmentError, study_amend


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


def _page(request: HttpRequest, study: Study, form: AmendmentForm, *, status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {
        "study": study,
        "form": form,
        "may_amend": study.state in OPENED,
        "amendments": study.amendments.select_related("user").order_by("-number"),
    }
    return render(request, "annotation/research/amendments.html", context, status=status)
