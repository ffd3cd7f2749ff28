"""The analysts' report (unblinded), and the dashboard's panel on agreement (blinded)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from annotation.export import export_refusal
from annotation.http import form_view, get_study_for_researcher, read_view, request_user
from annotation.models import Study
from annotation.services.log import look_log
from modelhub.http import get_study_to_unblind
from modelhub.queries.runs import RunProgress
from modelhub.report.live import agreement_so_far, answers_to_wait_for, report_run, study_document
from modelhub.runs.lifecycle import RunStopped, ScopeTaken, run_stop


@read_view
def report(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show the study's report. Needs the permission to unblind; each look is logged.

    Where computing it takes long, a page that says so comes first and asks for it: by htmx, or by a link (`now`).
    """
    study = get_study_to_unblind(request, slug, version)
    include_bots = "include_bots" in request.GET
    command = f"manage.py analyze {study.slug}@{study.version} --out DIR{' --include-bots' if include_bots else ''}"
    context = {"study": study, "command": command, "include_bots": include_bots}
    if refusal := export_refusal(study):
        return render(request, "modelhub/report/page.html", {**context, "refusal": refusal}, status=409)
    # For the headers alone, nothing that takes long is computed.
    asked_for = request.method == "GET" and (request.headers.get("HX-Request") == "true" or "now" in request.GET)
    if not asked_for and (answers := answers_to_wait_for(study, include_bots=include_bots)):
        return render(request, "modelhub/report/page.html", {**context, "answers": answers})
    # Logged before it is computed: an analysis that fails half-way has still been looked at.
    look_log(user=request_user(request), action="report_seen", study=study, include_bots=include_bots)
    try:
        document = study_document(study, command=command, include_bots=include_bots)
    except ScopeTaken:
        return render(request, "modelhub/report/page.html", {**context, "run": _progress(study), "waiting": True})
    except RunStopped:
        return render(request, "modelhub/report/page.html", {**context, "stopped": True})
    return render(request, "modelhub/report/page.html", {**context, "document": document})


@read_view
def report_progress(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show how far the report is that is being computed for a page: a part of that page.

    A page that waits for what another request computes is loaded anew once that is over.
    """
    study = get_study_to_unblind(request, slug, version)
    run, waiting = _progress(study), "waiting" in request.GET
    response = render(request, "modelhub/report/_progress.html", {"study": study, "run": run, "waiting": waiting})
    if waiting and run is None:
        response["HX-Refresh"] = "true"
    return response


@form_view("modelhub:report")
def report_stop(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Stop computing the report; what asked for it says so."""
    study = get_study_to_unblind(request, slug, version, leaves_it=True)
    run = report_run(study)
    if run is not None:
        run_stop(run=run, message=f"Stopped from a page by {request_user(request)}.")
    if request.headers.get("HX-Request") != "true":
        return redirect("modelhub:report", slug, version)
    context = {"study": study, "run": None, "asked_to_stop": True, "waiting": "waiting" in request.GET}
    return render(request, "modelhub/report/_progress.html", context)


def _progress(study: Study) -> RunProgress | None:
    run = report_run(study)
    return RunProgress(run, timezone.now()) if run else None


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
