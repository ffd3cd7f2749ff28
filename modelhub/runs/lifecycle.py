"""Record every execution of a stage: what was asked, with what, on which code; and whether its process still lives."""

import socket
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from annotation.errors import ServiceError
from annotation.models import Study
from annotation.rowfiles import file_sha256
from modelhub.models import Run
from modelhub.runs.parameters import LEASE_SECONDS
from modelhub.runs.processes import is_alive
from modelhub.runs.provenance import command_line, provenance, public_arguments


class ScopeTaken(ServiceError):
    """Another run works on the same rows at this moment."""


class RunTakenOver(ServiceError):
    """This run was taken for lost, and another one has begun on its rows."""


class RunStopped(ServiceError):
    """Somebody has ended this run from elsewhere, such as a page."""


def run_start(
    *,
    stage: str,
    study: Study | None = None,
    arguments: Mapping[str, Any],
    inputs: Sequence[Path] = (),
    seed: int | None = None,
    scope: str = "",
    subject: str = "",
    conditions: Mapping[str, Any] | None = None,
    total: int | None = None,
    command: str = "",
    lease_seconds: int = LEASE_SECONDS,
) -> Run:
    """Record that a stage has started, with all that is needed to repeat it. Stages do so by `recorded_run` alone.

    `arguments` holds every option, given or defaulted; values that look like secrets are never stored. `inputs` are
    files, kept by name and SHA-256. Of one `scope` one run goes on at a time. `subject` and `conditions` say what its
    rows are about and all that shapes them: what later runs are held to. A page gives its own `command`. Raises
    ScopeTaken while another one works on the scope.
    """
    now = timezone.now()
    run = Run(
        stage=stage,
        scope=scope,
        subject=subject,
        conditions=dict(conditions or {}),
        study=study,
        command=command or command_line(sys.argv),
        arguments=public_arguments(arguments),
        inputs=[{"name": path.name, "sha256": file_sha256(path)} for path in inputs],
        provenance=provenance(),
        seed=seed,
        total=total,
        heartbeat_at=now,
        lease_until=now + timedelta(seconds=lease_seconds),
    )
    runs_mark_lost()
    _scope_free(scope)
    _save_in_scope(run)
    return run


def run_heartbeat(*, run: Run, done: int = 0, failed: int = 0, lease_seconds: int = LEASE_SECONDS) -> None:
    """Say that the run is alive and add to its counts. A run taken for lost that was only slow is running again.

    Raises RunTakenOver if another run has begun on its scope meanwhile, and RunStopped if the run has been ended.
    """
    now = timezone.now()
    try:
        with transaction.atomic():
            alive = _alive(run).update(
                state=Run.State.RUNNING,
                done=F("done") + done,
                failed=F("failed") + failed,
                heartbeat_at=now,
                lease_until=now + timedelta(seconds=lease_seconds),
            )
    except IntegrityError as error:
        raise RunTakenOver(
            f"Run {run.key} gave no sign of life for too long, and another run has begun on its rows. What is stored "
            "stays; this one ends."
        ) from error

    if not alive:
        raise RunStopped(f"Run {run.key} has been ended from elsewhere. What is stored stays.")


def run_expect(*, run: Run, total: int) -> None:
    """Say how many rows a run has to do."""
    Run.objects.filter(pk=run.pk).update(total=total)


def run_stop(*, run: Run, message: str) -> bool:
    """Stop a run that works in another thread or process: it ends at its next sign of life. False if it had ended."""
    ended = {"state": Run.State.STOPPED, "message": message, "finished_at": timezone.now()}
    return _alive(run).update(**ended) == 1


def run_finish(*, run: Run, state: Run.State, message: str = "", usage: Mapping[str, Any] | None = None) -> None:
    """Close the run. `message` is for the researcher and holds no participant's text; `usage` is the engine's."""
    _alive(run).update(state=state, message=message, usage=dict(usage or {}), finished_at=timezone.now())
    run.refresh_from_db()


def runs_mark_lost() -> int:
    """Mark running runs whose lease has expired as lost; return how many."""
    return Run.objects.filter(state=Run.State.RUNNING, lease_until__lt=timezone.now()).update(state=Run.State.LOST)


def _alive(run: Run) -> QuerySet[Run]:
    """Return the run, unless it has ended; one taken for lost may only be slow."""
    return Run.objects.filter(pk=run.pk, state__in=[Run.State.RUNNING, Run.State.LOST])


def _save_in_scope(run: Run) -> None:
    """Write the new run; raise ScopeTaken while another one works on its scope."""
    try:
        with transaction.atomic():
            run.save(force_insert=True)
    except IntegrityError as error:
        holder = Run.objects.filter(scope=run.scope, state=Run.State.RUNNING).first()
        if holder is None:
            raise
        raise ScopeTaken(
            f"Run {holder.key} works on this already (last sign of life {holder.heartbeat_at:%H:%M:%S} UTC). Wait for "
            "it, or stop it. Stages with --shard can split the work."
        ) from error


def _scope_free(scope: str) -> None:
    """Take a run of this scope for lost if its process ran on this machine and is gone; no lease to wait for."""
    for run in Run.objects.filter(scope=scope, state=Run.State.RUNNING).exclude(scope=""):
        process = run.provenance.get("process", {})
        if process.get("host") == socket.gethostname() and not is_alive(process["pid"]):
            Run.objects.filter(pk=run.pk, state=Run.State.RUNNING).update(state=Run.State.LOST)
