"""Long work that pages have asked for: how far it is, its end, and what it has made."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from annotation.http import form_view, get_study_for_researcher, get_study_to_run, read_view, request_user
from annotation.making import workers_lately
from annotation.models import Study
from annotation.services.log import look_log
from modelhub.http import get_study_to_unblind
from modelhub.jobs.asking import job_stop
from modelhub.jobs.reporting import REPORT
from modelhub.models import Job
from modelhub.queries.runs import RunProgress

PAGES = {
    Job.Kind.REHEARSAL: "modelhub:rehearsal",
    Job.Kind.POWER: "modelhub:power",
    Job.Kind.REPORT: "modelhub:report",
    Job.Kind.BLINDED_REPORT: "modelhub:results",
    Job.Kind.REMINDERS: "modelhub:reminders",
}


@read_view
def job_progress(request: HttpRequest, slug: str, version: int, key: str) -> HttpResponse:
    """Show how far a job is: a part of its page, which is loaded anew once the job is over."""
    study, job = _job(request, slug, version, key)
    response = render(request, "modelhub/_job.html", {"study": study, **job_context(study, job)})
    if job.is_over:
        response["HX-Refresh"] = "true"
    return response


@form_view("annotation:study")
def job_end(request: HttpRequest, slug: str, version: int, key: str) -> HttpResponse:
    """Stop a job; one that is over stays as it ended."""
    _, job = _job(request, slug, version, key)
    if job.kind in (Job.Kind.REHEARSAL, Job.Kind.REMINDERS):
        get_study_to_run(request, slug, version)
    job_stop(job=job, user=request_user(request))
    return redirect(PAGES[Job.Kind(job.kind)], slug, version)


@read_view
def job_files(request: HttpRequest, slug: str, version: int, key: str) -> HttpResponse:
    """Send the files of a report, in one archive; logged."""
    study, job = _job(request, slug, version, key)
    kept = job.files.filter(name=REPORT).first()
    if kept is None:
        raise Http404("This job has made no files, or they are gone.")
    look_log(user=request_user(request), action="report_download", study=study, kind=job.kind, job=job.key)
    response = HttpResponse(bytes(kept.content), content_type="application/zip")
    blinded = "-blinded" if job.kind == Job.Kind.BLINDED_REPORT else ""
    response["Content-Disposition"] = f'attachment; filename="{study.slug}-v{study.version}-report{blinded}.zip"'
    return response


def job_context(study: Study, job: Job | None) -> dict[str, Any]:
    """Return what `_job.html` shows of the job, or of none."""
    if job is None:
        return {"job": None}
    progress = RunProgress(job.run, timezone.now()) if job.run else None
    return {"job": job, "job_run": progress, "nobody_works": not job.is_over and not _somebody(study)}


def _somebody(study: Study) -> bool:
    return any(not worker.silent for worker in workers_lately(study))


def _job(request: HttpRequest, slug: str, version: int, key: str) -> tuple[Study, Job]:
    """Return the study and its job, to those who may see the page that asked for it."""
    study = get_study_for_researcher(request, slug, version, leaves_it=True)
    job = get_object_or_404(Job.objects.select_related("run", "asked_by"), study=study, key=key)
    if job.kind == Job.Kind.REPORT:
        get_study_to_unblind(request, slug, version, leaves_it=True)
    return study, job
