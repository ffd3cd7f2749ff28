"""A worker's part in jobs: it takes one that waits, and lets a process of its own do it beside its other work."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from annotation.models import Study
from modelhub.models import Job, Run
from modelhub.runs.lifecycle import runs_mark_lost

LOOK_SECONDS = 1.0  # between two looks at the queue
RECOVER_SECONDS = 10.0  # between two looks for jobs whose process is gone
STARTING_SECONDS = 60  # until a job that was taken has to have its run
MOST_ATTEMPTS = 3
STOP_SECONDS = 10.0
LOST = f"Its process ended without a word {MOST_ATTEMPTS} times. The worker's log may say why."


@dataclass
class Jobs:
    """One job at a time for each worker. Its process is told to stop with the worker, and goes on with the next one."""

    study: Study | None = None
    clock: Callable[[], float] = time.monotonic
    _process: "subprocess.Popen[bytes] | None" = None
    _looked_at: float = float("-inf")
    _recovered_at: float = float("-inf")

    def turn(self) -> None:
        """Begin what waits, if nothing is under way here, and put back what others have lost."""
        now = self.clock()
        if now - self._recovered_at >= RECOVER_SECONDS:
            self._recovered_at = now
            jobs_recover()
        if now - self._looked_at < LOOK_SECONDS or self.is_busy:
            return
        self._looked_at = now
        job = job_take(study=self.study)
        if job is not None:
            command = [sys.executable, "manage.py", "run_job", job.key]
            # A session of its own: a Ctrl-C meant for the worker reaches it once, through the worker.
            self._process = subprocess.Popen(command, cwd=settings.BASE_DIR, start_new_session=True)

    @property
    def is_busy(self) -> bool:
        """Whether a job's process is alive."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """End the process that is under way; its job goes back to the queue."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def job_take(*, study: Study | None = None) -> Job | None:
    """Take the job that has waited longest, of one study or of all; None if none waits, or another worker was first."""
    waiting = Job.objects.filter(state=Job.State.WAITING)
    if study is not None:
        waiting = waiting.filter(study=study)
    job = waiting.order_by("pk").first()
    taken = {"state": Job.State.RUNNING, "begun_at": timezone.now(), "attempts": F("attempts") + 1, "run": None}
    if job is None or Job.objects.filter(pk=job.pk, state=Job.State.WAITING).update(**taken) != 1:
        return None
    job.refresh_from_db()
    return job


def jobs_recover() -> None:
    """Put jobs back whose process is gone; after the third time they have failed."""
    runs_mark_lost()
    late = timezone.now() - timedelta(seconds=STARTING_SECONDS)
    gone = Job.objects.filter(state=Job.State.RUNNING).filter(
        Q(run__state=Run.State.LOST) | Q(run__isnull=True, begun_at__lt=late)
    )
    for job in gone:
        state = Job.State.WAITING if job.attempts < MOST_ATTEMPTS else Job.State.FAILED
        message = "" if state == Job.State.WAITING else LOST
        Job.objects.filter(pk=job.pk, state=Job.State.RUNNING, attempts=job.attempts).update(
            state=state, message=message, ended_at=timezone.now() if message else None
        )
