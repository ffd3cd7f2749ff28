"""Reminders by e-mail, where the site has a mail server."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from annotation.errors import ServiceError
from annotation.http import form_view, get_study_to_run, read_view, request_user
from annotation.models import Study
from annotation.queries_reminders import NOT_BEGUN, NOT_FINISHED, to_remind
from modelhub.forms import ReminderForm
from modelhub.jobs.asking import job_ask, latest_job
from modelhub.models import Job
from modelhub.views.jobs import job_context


@read_view
def reminders(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show whom a reminder would reach, and what became of the last one."""
    study = get_study_to_run(request, slug, version)
    return _page(request, study, ReminderForm())


@form_view("modelhub:reminders")
def reminders_start(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Send a reminder."""
    study = get_study_to_run(request, slug, version)
    form = ReminderForm(request.POST)
    if not form.is_valid():
        return _page(request, study, form, status=422)
    if not (settings.EMAIL_HOST and study.state == Study.State.OPEN and to_remind(study, form.cleaned_data["to"])):
        return _page(request, study, form, status=409)
    address = request.build_absolute_uri(reverse("annotation:home"))
    try:
        job_ask(
            study=study, kind=Job.Kind.REMINDERS, arguments={**form.arguments(), "address": address},
            user=request_user(request),
        )  # fmt: skip
    except ServiceError as error:
        form.add_error(None, str(error))
        return _page(request, study, form, status=409)
    return redirect("modelhub:reminders", slug, version)


def _page(request: HttpRequest, study: Study, form: ReminderForm, *, status: int = 200) -> HttpResponse:
    job = latest_job(study, Job.Kind.REMINDERS)
    context = {
        "study": study,
        "form": form,
        "has_server": bool(settings.EMAIL_HOST),
        "not_begun": len(to_remind(study, NOT_BEGUN)),
        "not_finished": len(to_remind(study, NOT_FINISHED)),
        "sent": len(job.findings.get("sent", [])) if job else 0,
        "refused": sorted(job.findings.get("refused", {}).items()) if job else [],
        **job_context(study, job),
    }
    return render(request, "modelhub/reminders.html", context, status=status)
