"""Quality: the parts whose answers stand out, and decisions on them."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from annotation.controls.flags import rules_in_words
from annotation.controls.quality import study_quality
from annotation.errors import ServiceError
from annotation.export.scope import Scope
from annotation.forms import AdjudicationForm, ExportForm
from annotation.http import form_view, get_study_for_researcher, read_view, request_user
from annotation.models import Adjudication, Assignment, Study, StudyMember
from annotation.permissions import attached_role
from annotation.queries_quality import decisions_counted, facets, flagged_parts
from annotation.services.adjudications import part_adjudicate


@read_view
def quality(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show the parts that stand out, with their answers and decisions."""
    return _page(request, get_study_for_researcher(request, slug, version))


@form_view("annotation:quality")
def part_decided(request: HttpRequest, slug: str, version: int, key: str) -> HttpResponse:
    """Keep a part or set it aside, for a reason."""
    study = get_study_for_researcher(request, slug, version)
    part = get_object_or_404(Assignment.objects.select_related("participant__study"), participant__study=study, key=key)
    form = AdjudicationForm(request.POST)
    if not form.is_valid():
        return _page(request, study, problem=str(next(iter(form.errors.values()))[0]), problem_at=key, status=422)
    flags = study_quality(study).parts.get(part.pk, ())
    try:
        made = part_adjudicate(assignment=part, flags=flags, user=request_user(request), **form.cleaned_data)
    except ServiceError as error:
        return _page(request, study, problem=str(error), problem_at=key, status=409)
    said = {
        Adjudication.Decision.KEEP: _("Part %(part)s of %(code)s is kept."),
        Adjudication.Decision.SET_ASIDE: _("Part %(part)s of %(code)s is set aside in analysis."),
    }
    words = said[Adjudication.Decision(made.decision)]
    messages.success(request, words % {"part": part.ordinal, "code": part.participant.code})
    response = redirect("annotation:quality", slug, version)
    if request.GET:  # what was listed stays listed
        response["Location"] += f"?{request.GET.urlencode()}"
    return response


def _page(
    request: HttpRequest, study: Study, *, problem: str = "", problem_at: str = "", status: int = 200
) -> HttpResponse:
    scope = Scope.of(study, include_bots=ExportForm(request.GET).options()["include_bots"])
    found, why, decided = study_quality(study), request.GET.get("why", ""), request.GET.get("decided", "")
    page, rows = flagged_parts(scope, found, why=why, decided=decided, page=request.GET.get("page"))
    context: dict[str, Any] = {
        "study": study,
        "facets": facets(found),
        "why": why,
        "decided": decided,
        "page": page,
        "rows": rows,
        "counts": decisions_counted(scope),
        "rules": rules_in_words(study),
        "may_decide": attached_role(request_user(request), study) != StudyMember.Role.ANALYST,
        "problem": problem,
        "problem_at": problem_at,
        "reason": request.POST.get("reason", ""),
    }
    return render(request, "annotation/research/quality.html", context, status=status)
