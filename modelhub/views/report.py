"""The report, unblinded for analysts and blinded for researchers, and the dashboard's panel on agreement."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from annotation.errors import ServiceError
from annotation.export import export_refusal
from annotation.forms import ExportForm
from annotation.http import form_view, get_study_for_researcher, read_view, request_user
from annotation.models import Study
from annotation.services.log import look_log
from modelhub.http import get_study_to_unblind
from modelhub.jobs.asking import job_ask, latest_job
from modelhub.models import Job
from modelhub.report.live import agreement_so_far, answers_in, report_job, study_document
from modelhub.views.jobs import job_context


@read_view
def report(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show the study's report. Needs the permission to unblind; each look is logged."""
    return _page(request, get_study_to_unblind(request, slug, version), blinded=False)


@read_view
def results(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show the same with arms as letters, for those who are blinded; each look is logged."""
    return _page(request, get_study_for_researcher(request, slug, version), blinded=True)


@form_view("modelhub:report")
def report_compute(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Ask for the report, as a page and as files."""
    return _compute(request, get_study_to_unblind(request, slug, version, leaves_it=True), blinded=False)


@form_view("modelhub:results")
def results_compute(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Ask for the blinded report, as a page and as files."""
    return _compute(request, get_study_for_researcher(request, slug, version, leaves_it=True), blinded=True)


def _compute(request: HttpRequest, study: Study, *, blinded: bool) -> HttpResponse:
    include_bots = ExportForm(request.POST).options()["include_bots"]
    user, kind = request_user(request), _kind(blinded=blinded)
    if report_job(study, include_bots=include_bots, blinded=blinded) is None:
        # Logged before it is computed: an analysis that fails half-way has still been looked at.
        look_log(user=user, action=_seen(blinded=blinded), study=study, include_bots=include_bots)
        try:
            job_ask(study=study, kind=kind, arguments={"include_bots": include_bots}, user=user)
        except ServiceError as error:
            return _page(request, study, blinded=blinded, problem=str(error), status=409)
    page = redirect("modelhub:results" if blinded else "modelhub:report", study.slug, study.version)
    if include_bots:
        page["Location"] += "?include_bots=on"
    return page


def _page(request: HttpRequest, study: Study, *, blinded: bool, problem: str = "", status: int = 200) -> HttpResponse:
    include_bots = "include_bots" in request.GET
    refusal = export_refusal(study)
    context: dict[str, Any] = {
        "study": study,
        "blinded": blinded,
        "include_bots": include_bots,
        "command": _command(study, include_bots=include_bots),
        "problem": refusal or problem,
    }
    if not refusal:
        context["document"] = _document(request, study, blinded=blinded, include_bots=include_bots)
        context["made"] = report_job(study, include_bots=include_bots, blinded=blinded)
        context["answers"] = answers_in(study, include_bots=include_bots)
        context |= job_context(study, latest_job(study, _kind(blinded=blinded)))
    return render(request, "modelhub/report/page.html", context, status=409 if refusal else status)


def _document(request: HttpRequest, study: Study, *, blinded: bool, include_bots: bool) -> Any:
    look_log(user=request_user(request), action=_seen(blinded=blinded), study=study, include_bots=include_bots)
    command = "" if blinded else _command(study, include_bots=include_bots)
    return study_document(study, command=command, include_bots=include_bots, blinded=blinded)


def _command(study: Study, *, include_bots: bool) -> str:
    return f"manage.py analyze {study.slug}@{study.version} --out DIR{' --include-bots' if include_bots else ''}"


def _kind(*, blinded: bool) -> Job.Kind:
    return Job.Kind.BLINDED_REPORT if blinded else Job.Kind.REPORT


def _seen(*, blinded: bool) -> str:
    return "blinded_report_seen" if blinded else "report_seen"


@read_view
def agreement_panel(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show agreement so far, all arms together: a part of the dashboard, or a page of its own without JavaScript."""
    study = get_study_for_researcher(request, slug, version)
    include_bots = "include_bots" in request.GET
    agreement = agreement_so_far(study, include_bots=include_bots)
    template = "modelhub/agreement.html"
    if request.headers.get("HX-Request"):
        template += "#panel"
    response = render(request, template, {"study": study, "agreement": agreement, "include_bots": include_bots})
    response["Vary"] = "HX-Request"
    return response
