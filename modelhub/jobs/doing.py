"""Do one job: `manage.py run_job KEY`, which workers begin."""

from collections.abc import Callable, Mapping

from django.db import transaction
from django.utils import timezone

from annotation.errors import ServiceError
from modelhub.jobs.power import power_simulate
from modelhub.jobs.rehearsing import rehearsal_walk
from modelhub.jobs.reminding import reminders_send
from modelhub.jobs.reporting import report_make
from modelhub.models import Job, JobFile, Run
from modelhub.runs.lifecycle import RunStopped, RunTakenOver
from modelhub.runs.recording import Execution, recorded_run

GOES_ON = "A worker begins it again from here."
_WORK: Mapping[str, Callable[[Job, Execution], None]] = {
    Job.Kind.REHEARSAL: rehearsal_walk,
    Job.Kind.POWER: power_simulate,
    Job.Kind.REPORT: report_make,
    Job.Kind.BLINDED_REPORT: report_make,
    Job.Kind.REMINDERS: reminders_send,
}


def job_do(key: str) -> Job:
    """Do a job that a worker has taken, recorded as a run, and return it as it ended.

    A signal puts it back into the queue, and is passed on.

    Raises:
        ServiceError: there is no such job, it is not taken, or it failed.
    """
    job = Job.objects.select_related("study", "asked_by").filter(key=key).first()
    if job is None or job.state != Job.State.RUNNING:
        state = f"it is {job.state}" if job else "there is no such job"
        raise ServiceError(f"Job {key} cannot be done: {state}. Workers begin what pages have asked for by themselves.")
    try:
        with recorded_run(
            stage=job.kind, study=job.study, scope=f"job {job.key}", arguments=job.arguments,
            command=f"asked for on a page, job {job.key}", leaves=GOES_ON,
        ) as execution:  # fmt: skip
            if Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).update(run=execution.run) != 1:
                raise RunStopped(f"Job {job.key} was stopped before it began.")
            _WORK[job.kind](job, execution)
    except KeyboardInterrupt:
        # Not counted: it was not the job that ended its process.
        _end(job, Job.State.WAITING, ended_at=None, attempts=max(job.attempts - 1, 0))
        raise
    except (RunStopped, RunTakenOver):
        pass  # whoever stopped the run, or goes on with it, has said what becomes of the job
    except ServiceError as error:
        _end(job, Job.State.FAILED, message=str(error))
        raise
    else:
        _finished(job, execution.run)
    job.refresh_from_db()
    return job


def _finished(job: Job, run: Run) -> None:
    """Close the job, and let go of the files of those before it, which it replaces."""
    with transaction.atomic():
        if run.state == Run.State.FINISHED and _end(job, Job.State.FINISHED):
            JobFile.objects.filter(job__study=job.study, job__kind=job.kind).exclude(job=job).delete()


def _end(job: Job, state: Job.State, **more: object) -> bool:
    changed = {"state": state, "ended_at": timezone.now(), **more}
    return Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).update(**changed) == 1
