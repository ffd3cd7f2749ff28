"""The researcher's pages around systems: the pre-launch scan (blinded), and arms with their systems (unblinded)."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from annotation.errors import ServiceError
from annotation.export import FORMATS
from annotation.http import form_view, get_study_for_researcher, read_view, request_user
from annotation.making import workers_lately
from annotation.models import Persona, Study
from annotation.services.log import look_log
from annotation.services.outputs import outputs_exclude, outputs_include
from modelhub.bringforms import BindForm, TrialForm
from modelhub.forms import ExcludeForm
from modelhub.http import get_study_to_unblind
from modelhub.models import Trial
from modelhub.queries.arms import arm_rows, runs_of
from modelhub.screening.scan import scan_study
from modelhub.screening.shapes import FEATURES
from modelhub.systems.registering import arms_bind
from modelhub.systems.trials import trials_request

PAIRS_PER_PAGE = 10


@read_view
def scan(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show the pairs with a flag or an exclusion, without saying which arm a text is from."""
    study = get_study_for_researcher(request, slug, version)
    return _scan_page(request, study)


@form_view("modelhub:scan")
def scan_exclude(request: HttpRequest, slug: str, version: int, persona_key: str) -> HttpResponse:
    """Leave a pair out, both arms together."""
    study = get_study_for_researcher(request, slug, version)
    persona = get_object_or_404(Persona.objects.select_related("item__study"), item__study=study, key=persona_key)
    form = ExcludeForm(request.POST)
    if not form.is_valid():
        return _scan_page(request, study, problem=str(form.errors["reason"][0]), problem_at=persona.key, status=422)
    try:
        outputs_exclude(persona=persona, reason=form.cleaned_data["reason"], user=request_user(request))
    except ServiceError as error:
        return _scan_page(request, study, problem=str(error), problem_at=persona.key, status=409)
    messages.success(request, _("Excluded %(key)s, all arms together.") % {"key": persona.item.key})
    return _back_to_page(request, study)


@form_view("modelhub:scan")
def scan_include(request: HttpRequest, slug: str, version: int, persona_key: str) -> HttpResponse:
    """Undo an exclusion."""
    study = get_study_for_researcher(request, slug, version)
    persona = get_object_or_404(Persona.objects.select_related("item__study"), item__study=study, key=persona_key)
    try:
        outputs_include(persona=persona, user=request_user(request))
    except ServiceError as error:
        return _scan_page(request, study, problem=str(error), problem_at=persona.key, status=409)
    messages.success(request, _("%(key)s is part of the study again.") % {"key": persona.item.key})
    return _back_to_page(request, study)


@read_view
def arms(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show which system each arm is. Needs the permission to unblind; each look is logged."""
    study = get_study_to_unblind(request, slug, version)
    look_log(user=request_user(request), action="arms_seen", study=study)
    return _arms_page(request, study)


@form_view("modelhub:arms")
def arms_bound(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Say which registered system each arm of a draft is."""
    study = get_study_to_unblind(request, slug, version)
    form = _bind_form(study, request.POST)
    if not form.is_valid():
        return _arms_page(request, study, form=form, status=422)
    try:
        bound = arms_bind(study=study, bindings=form.bindings(), user=request_user(request))
    except ServiceError as error:
        return _arms_page(request, study, form=form, problem=str(error), status=409)
    messages.success(request, _("Arms with a system: %(count)s.") % {"count": len(bound)})
    return redirect("modelhub:arms", slug, version)


@form_view("modelhub:arms")
def systems_tried(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Let a worker ask each system behind an arm one prompt."""
    study = get_study_to_unblind(request, slug, version)
    form = TrialForm(request.POST)
    if not form.is_valid():
        return _arms_page(request, study, trial_form=form, status=422)
    try:
        trials_request(study=study, user=request_user(request), **form.cleaned_data)
    except ServiceError as error:
        return _arms_page(request, study, trial_form=form, problem=str(error), status=409)
    response = redirect("modelhub:arms", slug, version)
    response["Location"] += "#tried"
    return response


@read_view
def trials(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show what the systems have answered so far; asked for by the page of the arms while they are at it."""
    study = get_study_to_unblind(request, slug, version)
    return render(request, "modelhub/_trials.html", {"study": study, **_tried(study)})


def _tried(study: Study) -> dict[str, object]:
    found = list(Trial.objects.filter(study=study).select_related("system"))
    return {
        "trials": found,
        "trying": any(trial.ended_at is None for trial in found),
        "has_worker": any(not worker.silent for worker in workers_lately(study)),
    }


def _arms_page(
    request: HttpRequest,
    study: Study,
    *,
    form: BindForm | None = None,
    trial_form: TrialForm | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "study": study,
        "rows": arm_rows(study),
        "runs": runs_of(study),
        "is_draft": study.state == Study.State.DRAFT,
        "form": form or _bind_form(study),
        "trial_form": trial_form or TrialForm(),
        **_tried(study),
        "problem": problem,
    }
    context["formats"] = FORMATS
    return render(request, "modelhub/arms.html", context, status=status)


def _bind_form(study: Study, data: QueryDict | None = None) -> BindForm:
    return BindForm(data, arms={row.arm.code: row.system.name if row.system else "" for row in arm_rows(study)})


def _scan_page(
    request: HttpRequest, study: Study, *, problem: str = "", problem_at: str = "", status: int = 200
) -> HttpResponse:
    found = scan_study(study)
    pairs = found.pairs
    context = {
        "study": study,
        "page": Paginator(pairs, PAIRS_PER_PAGE).get_page(request.GET.get("page") or request.POST.get("page")),
        "shapes": found,
        "features": [name.capitalize() for name in FEATURES],
        "flagged": sum(pair.flagged for pair in pairs),
        "excluded": sum(bool(pair.excluded_reason) for pair in pairs),
        "is_draft": study.state == Study.State.DRAFT,
        "problem": problem,
        "problem_at": problem_at,
        "reason": request.POST.get("reason", ""),
    }
    return render(request, "modelhub/scan.html", context, status=status)


def _back_to_page(request: HttpRequest, study: Study) -> HttpResponse:
    response = redirect("modelhub:scan", study.slug, study.version)
    page = request.POST.get("page", "")
    if page.isascii() and page.isdigit():
        response["Location"] += f"?page={page}"
    return response
