"""Record every execution of a stage: what was asked, with what, on which code; and whether its process still lives."""

import os
import platform
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from annotation.errors import ServiceError
from annotation.models import Study
from modelhub.files.records import file_sha256
from modelhub.models import Run
from modelhub.runs.processes import is_alive

LEASE_SECONDS = 120
HIDDEN = "***"

_SECRET_NAME = re.compile(r"key|token(?!s|iz)|secret|password|passwd|credential|auth(?!or)", re.IGNORECASE)
_URL_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)")


class ScopeTaken(ServiceError):
    """Another run works on the same rows at this moment."""


class RunTakenOver(ServiceError):
    """This run was taken for lost, and another one has begun on its rows."""


def run_start(
    *,
    stage: str,
    study: Study | None = None,
    arguments: Mapping[str, Any],
    inputs: Sequence[Path] = (),
    seed: int | None = None,
    scope: str = "",
    total: int | None = None,
    lease_seconds: int = LEASE_SECONDS,
) -> Run:
    """Record that a stage has started, with all that is needed to repeat it.

    `arguments` holds every option, given or defaulted. `inputs` are files, kept by name and SHA-256. Values that look
    like secrets are never stored. `scope` names the rows the run works on: of one scope one run goes on at a time.
    Raises ScopeTaken while another one does.
    """
    now = timezone.now()
    run = Run(
        stage=stage,
        scope=scope,
        study=study,
        command=command_line(sys.argv),
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

    Raises RunTakenOver if another run has begun on its scope meanwhile.
    """
    now = timezone.now()
    try:
        with transaction.atomic():
            Run.objects.filter(pk=run.pk, state__in=[Run.State.RUNNING, Run.State.LOST]).update(
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


def run_finish(*, run: Run, state: Run.State, message: str = "", usage: Mapping[str, Any] | None = None) -> None:
    """Close the run. `message` is for the researcher and holds no participant's text; `usage` is the engine's."""
    Run.objects.filter(pk=run.pk, state__in=[Run.State.RUNNING, Run.State.LOST]).update(
        state=state, message=message, usage=dict(usage or {}), finished_at=timezone.now()
    )
    run.refresh_from_db()


def runs_mark_lost() -> int:
    """Mark running runs whose lease has expired as lost; return how many."""
    return Run.objects.filter(state=Run.State.RUNNING, lease_until__lt=timezone.now()).update(state=Run.State.LOST)


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


def command_line(argv: Sequence[str]) -> str:
    """Return the command as typed, with the values of secret options and the credentials in addresses hidden."""
    shown: list[str] = []
    hide_next = False
    for argument in argv:
        name, equals, value = argument.partition("=")
        secret = bool(_SECRET_NAME.search(name)) and name.startswith("-")
        if hide_next:
            shown.append(HIDDEN)
        elif secret and equals:
            shown.append(f"{name}={HIDDEN}")
        else:
            shown.append(_URL_CREDENTIALS.sub(HIDDEN, argument))
        hide_next = secret and not equals
    return shlex.join(shown)


def public_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as JSON values, with secrets hidden at every level."""
    return {
        name: HIDDEN if _SECRET_NAME.search(name) and value else _public(value) for name, value in arguments.items()
    }


def provenance() -> dict[str, Any]:
    """Return the code's git commit, package versions, Python, operating system, and the process by host and number."""
    return {
        "git": _git(settings.BASE_DIR),
        "packages": _packages(),
        "python": platform.python_version(),
        "os": platform.platform(),
        "process": {"host": socket.gethostname(), "pid": os.getpid()},
    }


def _public(value: Any) -> Any:
    if isinstance(value, Mapping):
        return public_arguments(value)
    if isinstance(value, list | tuple):
        return [_public(one) for one in value]
    if isinstance(value, str | Path):
        return _URL_CREDENTIALS.sub(HIDDEN, str(value))
    return value


@cache
def _git(folder: Path) -> dict[str, Any] | str:
    # Asked once: a process runs the code that was there when it began, whatever is checked out while it runs.
    commit = _git_output(folder, "rev-parse", "HEAD")
    if commit is None:
        return "not a git checkout"
    return {"commit": commit, "dirty": bool(_git_output(folder, "status", "--porcelain"))}


def _git_output(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@cache
def _packages() -> dict[str, str]:
    found = {package.metadata["Name"]: package.version for package in metadata.distributions()}
    return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))
