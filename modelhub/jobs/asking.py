"""Ask for a job, stop it, and say how it stands."""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from annotation.errors import NotAllowedNow
from annotation.models import Study, User
from annotation.services.log import audit_log
from modelhub.models import Job
from modelhub.runs.lifecycle import run_stop


def job_ask(*, study: Study, kind: Job.Kind, arguments: Mapping[str, Any], user: User) -> Job:
    """Put a job into the queue, and return it; the one that goes on already, if that was asked the same. Logged.

    Raises:
        NotAllowedNow: one of this kind goes on for the study, and was asked something else.
    """
    try:
        with transaction.atomic():
            job = Job.objects.create(study=study, kind=kind, arguments=dict(arguments), asked_by=user)
            audit_log(user=user, action="job_asked", study=study, job=job.key, kind=kind.value)
    except IntegrityError as error:
        going_on = Job.objects.filter(study=study, kind=kind, state__in=Job.UNFINISHED, arguments=arguments).first()
        if going_on is None:
            raise NotAllowedNow(
                "One is under way for this study already. Wait for its end, or stop it, and ask again."
            ) from error
        return going_on
    return job


def job_stop(*, job: Job, user: User) -> bool:
    """Stop a job, whether it waits or is under way; logged. False if it was over."""
    message = f"Stopped from a page by {user}."
    stopped = {"state": Job.State.STOPPED, "message": message, "ended_at": timezone.now()}
    with transaction.atomic():
        if Job.objects.filter(pk=job.pk, state__in=Job.UNFINISHED).update(**stopped) != 1:
            return False
        audit_log(user=user, action="job_stopped", study=job.study, job=job.key, kind=job.kind)
    job.refresh_from_db()
    if job.run is not None:
        run_stop(run=job.run, message=message)
    return True


def latest_job(study: Study, *kinds: Job.Kind) -> Job | None:
    """Return the newest job of these kinds."""
    return Job.objects.filter(study=study, kind__in=kinds).select_related("run", "asked_by").first()
