"""The planner: how many participants and prompts it takes to find a difference, by simulation."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from annotation.dryrun import stored_dry_run
from annotation.errors import ServiceError
from annotation.http import form_view, get_study_for_researcher, read_view, request_user
from annotation.models import Study
from modelhub.jobs.asking import job_ask, latest_job
from modelhub.models import Job
from modelhub.powerform import PowerForm
from modelhub.views.jobs import job_context
from plots.curves import Curve, curve_plot

LOOKS = ("run-1", "run-2", "run-3", "run-4")
WANTED = 0.8  # the power that studies are usually planned for (Cohen 1988)


@read_view
def power(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show the planner with what was simulated last."""
    study = get_study_for_researcher(request, slug, version)
    job = latest_job(study, Job.Kind.POWER)
    return _page(request, study, PowerForm.of(study, job.arguments if job else None), job)


@form_view("modelhub:power")
def power_simulation(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Simulate what the form asks for. It changes nothing of the study, so that everybody who sees it may plan."""
    study = get_study_for_researcher(request, slug, version, leaves_it=True)
    form = PowerForm(request.POST)
    if not form.is_valid():
        return _page(request, study, form, latest_job(study, Job.Kind.POWER), status=422)
    try:
        job_ask(study=study, kind=Job.Kind.POWER, arguments=form.arguments(), user=request_user(request))
    except ServiceError as error:
        form.add_error(None, str(error))
        return _page(request, study, form, latest_job(study, Job.Kind.POWER), status=409)
    return redirect("modelhub:power", slug, version)


def _page(request: HttpRequest, study: Study, form: PowerForm, job: Job | None, *, status: int = 200) -> HttpResponse:
    points = job.findings.get("points", []) if job else []
    lines = _lines(points)
    context = {
        "study": study,
        "form": form,
        "dry_run": stored_dry_run(study),
        "points": points,
        "lines": [(LOOKS[number], prompts) for number, prompts in enumerate(lines)],
        "plot": _plot(lines) if points else None,
        "wanted": round(100 * WANTED),
        **job_context(study, job),
    }
    return render(request, "modelhub/power.html", context, status=status)


def _lines(points: list[dict[str, Any]]) -> dict[int, list[tuple[float, float | None]]]:
    """Return the power in per cent by participants, for each number of prompts."""
    lines: dict[int, list[tuple[float, float | None]]] = {}
    for point in points:
        lines.setdefault(point["prompts"], []).append((point["participants"], 100 * point["power"]))
    return lines


def _plot(lines: dict[int, list[tuple[float, float | None]]]) -> Any:
    curves = [Curve(sorted(points), LOOKS[number]) for number, points in enumerate(lines.values())]
    return curve_plot(curves, limits=(0, 100), x_name=_("participants"))
