"""Workers say that they live, and what keeps them from answering."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from annotation.models import ArmTrouble, OutputWorker, Study


@dataclass(frozen=True)
class Trouble:
    """Why a worker cannot answer for an arm, since when, and when it tries again."""

    arm_id: int
    kind: ArmTrouble.Kind
    reason: str
    since: datetime
    retry_at: datetime


def worker_start(*, key: str, study: Study | None, host: str) -> OutputWorker:
    """Record that a worker has begun, for one study or for all. `key` is the holder of its leases."""
    return OutputWorker.objects.create(key=key, study=study, host=host[:100], heard_at=timezone.now())


def worker_heard(*, key: str) -> None:
    """Say that the worker lives."""
    OutputWorker.objects.filter(key=key).update(heard_at=timezone.now(), ended_at=None)


def worker_end(*, key: str) -> None:
    """Say that the worker has ended, and take its troubles with it."""
    with transaction.atomic():
        ArmTrouble.objects.filter(worker__key=key).delete()
        OutputWorker.objects.filter(key=key).update(heard_at=timezone.now(), ended_at=timezone.now())


def worker_troubles_set(*, key: str, troubles: Sequence[Trouble]) -> None:
    """Replace what keeps the worker from answering."""
    with transaction.atomic():
        worker = OutputWorker.objects.get(key=key)
        worker.troubles.exclude(arm__in=[one.arm_id for one in troubles]).delete()
        for one in troubles:
            told = {"kind": one.kind, "reason": one.reason[:500], "since": one.since, "retry_at": one.retry_at}
            ArmTrouble.objects.update_or_create(worker=worker, arm_id=one.arm_id, defaults=told)
