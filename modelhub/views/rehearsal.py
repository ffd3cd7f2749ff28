"""The rehearsal: bots take the study, from a page."""

from collections import Counter
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from annotation.errors import ServiceError
from annotation.http import form_view, get_study_for_researcher, get_study_to_run, read_view, request_user
from annotation.models import Study
from annotation.services.rehearsals import rehearsal_refusal
from modelhub.forms import RehearsalForm
from modelhub.jobs.asking import job_ask, latest_job
from modelhub.models import Job
from modelhub.views.jobs import job_context


@read_view
def rehearsal(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show what the last rehearsal has come to, and what the next one needs."""
    study = get_study_for_researcher(request, slug, version)
    return _page(request, study, RehearsalForm())


@form_view("modelhub:rehearsal")
def rehearsal_start(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Send bots through the study."""
    study = get_study_to_run(request, slug, version)
    form = RehearsalForm(request.POST)
    if not form.is_valid():
        return _page(request, study, form, status=422)
    if refusal := rehearsal_refusal(study):
        return _page(request, study, form, problems=refusal, status=409)
    address = request.build_absolute_uri(reverse("annotation:home"))
    arguments = {"bots": form.cleaned_data["bots"], "careless": form.cleaned_data["careless"] / 100, "address": address}
    try:
        job_ask(study=study, kind=Job.Kind.REHEARSAL, arguments=arguments, user=request_user(request))
    except ServiceError as error:
        return _page(request, study, form, problems=[str(error)], status=409)
    return redirect("modelhub:rehearsal", slug, version)


def _page(
    request: HttpRequest, study: Study, form: RehearsalForm, *, problems: list[str] | None = None, status: int = 200
) -> HttpResponse:
    job = latest_job(study, Job.Kind.REHEARSAL)
    context = {
        "study": study,
        "form": form,
        "problems": problems or [],
        "refusal": rehearsal_refusal(study),
        **job_context(study, job),
        **_found(job),
    }
    return render(request, "modelhub/rehearsal.html", context, status=status)


def _found(job: Job | None) -> dict[str, Any]:
    reports = job.findings.get("reports", []) if job else []
    ended = Counter(report["step"] for report in reports if not report["error"])
    return {
        "reports": reports,
        "ended": ended,
        "failed": [report for report in reports if report["error"]],
        "ratings": sum(report["ratings"] for report in reports),
    }
