"""What is held back in a study, and the decisions on it. Blinded: nothing here says which arm a text is from."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from annotation.errors import ServiceError
from annotation.http import form_view, get_study_for_researcher, read_view, request_user
from annotation.models import PersonaHold, Study, StudyMember
from annotation.permissions import attached_role
from annotation.queries_holds import decided_holds, hold_counts, persona_findings, undecided_holds
from annotation.services.holds import hold_refuse, hold_release
from modelhub.forms import RefuseForm
from modelhub.screening.held import held_personas

HOLDS_PER_PAGE = 10
LATEST = 50  # decisions and findings that are listed


@read_view
def held(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show what waits for a decision, what was decided, and what was found in personas."""
    return _held_page(request, get_study_for_researcher(request, slug, version))


@form_view("modelhub:held")
def held_release(request: HttpRequest, slug: str, version: int, persona_key: str, stage: str) -> HttpResponse:
    """Let a persona, or its outputs, go on."""
    study = get_study_for_researcher(request, slug, version)
    hold = _hold(study, persona_key, stage)
    try:
        hold_release(hold=hold, user=request_user(request))
    except ServiceError as error:
        return _held_page(request, study, problem=str(error), problem_at=hold.pk, status=409)
    messages.success(request, _("Released %(key)s: whoever waits is led on.") % {"key": hold.persona.item.key})
    return redirect("modelhub:held", slug, version)


@form_view("modelhub:held")
def held_refuse(request: HttpRequest, slug: str, version: int, persona_key: str, stage: str) -> HttpResponse:
    """Leave a persona out; its author goes on with another prompt."""
    study = get_study_for_researcher(request, slug, version)
    hold = _hold(study, persona_key, stage)
    form = RefuseForm(request.POST)
    if not form.is_valid():
        return _held_page(request, study, problem=str(form.errors["reason"][0]), problem_at=hold.pk, status=422)
    try:
        hold_refuse(hold=hold, reason=form.cleaned_data["reason"], user=request_user(request))
    except ServiceError as error:
        return _held_page(request, study, problem=str(error), problem_at=hold.pk, status=409)
    messages.success(
        request, _("Refused %(key)s: whoever waits goes on with another prompt.") % {"key": hold.persona.item.key}
    )
    return redirect("modelhub:held", slug, version)


def _hold(study: Study, persona_key: str, stage: str) -> PersonaHold:
    holds = PersonaHold.objects.exclude(stage=PersonaHold.Stage.GUARD).select_related("persona__item__study")
    return get_object_or_404(holds, persona__item__study=study, persona__key=persona_key, stage=stage)


def _held_page(
    request: HttpRequest, study: Study, *, problem: str = "", problem_at: int = 0, status: int = 200
) -> HttpResponse:
    page = Paginator(undecided_holds(study), HOLDS_PER_PAGE).get_page(request.GET.get("page"))
    findings = persona_findings(study)
    context = {
        "study": study,
        "page": page,
        "held": held_personas(study, page.object_list),
        "counts": hold_counts(study),
        "decided": decided_holds(study)[:LATEST],
        "findings": findings[:LATEST],
        "findings_total": findings.count(),
        "may_decide": attached_role(request_user(request), study) != StudyMember.Role.ANALYST,
        "problem": problem,
        "problem_at": problem_at,
        "reason": request.POST.get("reason", ""),
    }
    return render(request, "modelhub/held.html", context, status=status)
