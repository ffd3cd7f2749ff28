"""Sharing a study: its owner attaches researchers and analysts."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from annotation.errors import ServiceError
from annotation.forms import MemberForm
from annotation.http import form_view, get_study_for_researcher, read_view, request_user
from annotation.models import Study
from annotation.permissions import OWNER_ONLY, AccessRefused, may_share
from annotation.services import members as services


@read_view
def members(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show who else may see the study, with the form that adds somebody."""
    return _members_page(request, _own_study(request, slug, version))


@form_view("annotation:members")
def member_add(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Attach somebody."""
    study = _own_study(request, slug, version)
    form = MemberForm(request.POST)
    if not form.is_valid():
        return _members_page(request, study, form=form, status=422)
    try:
        services.member_add(study=study, by=request_user(request), **form.cleaned_data)
    except ServiceError as error:
        return _members_page(request, study, form=form, problem=str(error), status=409)
    messages.success(request, _("%(name)s may see this study now.") % {"name": form.cleaned_data["username"]})
    return redirect("annotation:members", slug, version)


@form_view("annotation:members")
def member_remove(request: HttpRequest, slug: str, version: int, pk: int) -> HttpResponse:
    """Detach somebody."""
    study = _own_study(request, slug, version)
    member = get_object_or_404(study.members.select_related("user", "study"), pk=pk)
    services.member_remove(member=member, by=request_user(request))
    messages.success(request, _("%(name)s no longer sees this study.") % {"name": member.user})
    return redirect("annotation:members", slug, version)


def _own_study(request: HttpRequest, slug: str, version: int) -> Study:
    study = get_study_for_researcher(request, slug, version)
    if not may_share(request_user(request), study):
        raise AccessRefused(OWNER_ONLY)
    return study


def _members_page(
    request: HttpRequest, study: Study, *, form: MemberForm | None = None, status: int = 200, **extra: Any
) -> HttpResponse:
    context = {
        "study": study,
        "form": form or MemberForm(),
        "members": study.members.select_related("user"),
        **extra,
    }
    return render(request, "annotation/research/members.html", context, status=status)
