"""Erase what a study promised to keep no longer. Any number of processes may try: each limit is carried out once."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from annotation.models import Output, Participant, Persona, RetentionStep, Study
from annotation.retention import Kind, Limit, limits_of
from annotation.services.cleaning import deleted_text_clean
from annotation.services.erasure import data_erase, free_text_erase, person_forget
from annotation.services.linking import links_forget
from annotation.services.locks import study_lock
from annotation.services.log import audit_log

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Applied:
    """A limit whose time was up; `counts` say what was erased, and are None where nothing was done about it yet."""

    study: Study
    limit: Limit
    counts: dict[str, int] | None


def retention_apply(*, now: datetime | None = None, dry_run: bool = False) -> list[Applied]:
    """Carry out every limit whose time is up, each in a transaction of its own, and log it; return what was done.

    What is interrupted goes on with the next call: a step is recorded in the transaction that erases. Another process
    that does the same at once finds it recorded. Then the database's files are cleaned of deleted text.
    """
    at = now or timezone.now()
    applied = []
    for study in Study.objects.filter(closed_at__isnull=False).exclude(retention={}).order_by("pk"):
        for limit in limits_of(study):
            if not limit.is_due(at):
                continue
            if dry_run:
                applied.append(Applied(study, limit, None))
            elif (counts := _carry_out(study, limit.kind)) is not None:
                applied.append(Applied(study, limit, counts))
    if not dry_run:
        retention_finish()
    return applied


def retention_finish() -> int:
    """Clean the files after all steps that have not seen it; return how many still have not."""
    waiting = RetentionStep.objects.filter(files_cleaned=False)
    done = list(waiting.values_list("pk", flat=True))
    if not done or not deleted_text_clean():
        return len(done)
    RetentionStep.objects.filter(pk__in=done).update(files_cleaned=True)
    return 0


def _carry_out(study: Study, kind: RetentionStep.Kind) -> dict[str, int] | None:
    with transaction.atomic():
        study_lock(study_id=study.pk)
        if RetentionStep.objects.filter(study=study, kind=kind).exists():
            return None  # another process was quicker
        counts = _ERASE[kind](study)
        RetentionStep.objects.create(study=study, kind=kind, counts=counts)
        audit_log(user=None, action=f"retention_{kind}", study=study, **counts)
    # Outside the database, for whoever restores a backup that still holds them.
    logger.info("retention: %s of %s erased, its time being up", kind, study)
    return counts


def _everything(study: Study) -> dict[str, int]:
    """Erase every participant as if each had asked for it; the study's definition and its log stay."""
    links_forget(study)
    people = list(Participant.objects.filter(study=study, erased_at__isnull=True).select_related("study"))
    now = timezone.now()
    for participant in people:
        tombstone = {"counts": data_erase(participant), "files_cleaned": True}  # with the step, for all of them
        person_forget(participant)
        Participant.objects.filter(pk=participant.pk).update(tombstone=tombstone, erased_at=now)
    left = Persona.objects.filter(item__study=study, source=Persona.Source.WRITTEN, assignments__isnull=True)
    Output.objects.filter(persona__in=left).delete()
    left.delete()
    return {"participants": len(people)}


_ERASE: dict[RetentionStep.Kind, Callable[[Study], dict[str, int]]] = {
    Kind.IDS: lambda study: {"participants": links_forget(study)},
    Kind.FREE_TEXT: free_text_erase,
    Kind.EVERYTHING: _everything,
}
