"""Try one prompt on the systems behind a draft's arms: asked for on a page, answered by a worker."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from annotation.errors import NotAllowedNow, ServiceError
from annotation.fields import LONGEST_WRITTEN, check_storable, check_text, optional
from annotation.models import Study, User
from annotation.services.log import audit_log
from modelhub.engines import IMPORTED
from modelhub.models import System, Trial

LONGEST_PROMPT = 20_000
KEPT = timedelta(days=1)


def trials_request(*, study: Study, user: User, prompt: str, persona: str) -> list[Trial]:
    """Queue a prompt for each system behind the arms of a draft, in place of what was tried before; logged.

    Raises:
        NotAllowedNow: the study is no draft.
        ServiceError: there is no prompt, or no arm has a system that can answer.
    """
    if study.state != Study.State.DRAFT:
        raise NotAllowedNow(f"Systems are tried while the study is a draft; {study} is {study.state}.")
    try:
        asked = check_storable(check_text(prompt), most=LONGEST_PROMPT)
        described = check_storable(optional(check_text)(persona), most=LONGEST_WRITTEN)
    except ValueError as error:
        raise ServiceError(f"This {error}.") from error
    systems = System.objects.filter(bindings__arm__study=study).exclude(engine=IMPORTED).distinct().order_by("name")
    if not systems:
        raise ServiceError(f"No arm of {study} has a system that can be asked; bind one first.")
    with transaction.atomic():
        Trial.objects.filter(study=study).delete()
        made = [
            Trial.objects.create(study=study, system=system, user=user, prompt=asked, persona=described)
            for system in systems
        ]
        audit_log(user=user, action="systems_tried", study=study, systems=len(made))
    return made


def trials_claim(*, holder: str, limit: int, lease_seconds: int, study: Study | None) -> list[Trial]:
    """Lease up to `limit` trials, of one study or of any, to `holder`, the oldest first."""
    until = timezone.now() + timedelta(seconds=lease_seconds)
    found = list(_waiting(study).values_list("pk", flat=True)[:limit])
    claimed = [pk for pk in found if _waiting(study).filter(pk=pk).update(lease_holder=holder, lease_until=until)]
    return list(Trial.objects.filter(pk__in=claimed).select_related("system"))


def trials_release(*, holder: str) -> None:
    """Give back what `holder` has not finished."""
    Trial.objects.filter(lease_holder=holder, ended_at__isnull=True).update(lease_holder="", lease_until=None)


def trials_pending(study: Study | None) -> bool:
    """Return whether any trial, of one study or of any, waits for a worker."""
    return _waiting(study).exists()


def trial_end(*, trial: Trial, holder: str, text: str = "", error: str = "", seconds: float | None = None) -> bool:
    """Store an answer, or why there is none; False, changing nothing, if the lease was lost."""
    mine = Trial.objects.filter(pk=trial.pk, lease_holder=holder, ended_at__isnull=True)
    ended = {"text": text, "error": error[:500], "seconds": seconds, "ended_at": timezone.now(), "lease_holder": ""}
    return mine.update(**ended) == 1


def trials_expire() -> None:
    """Forget trials of yesterday: they are no part of anything."""
    Trial.objects.filter(requested_at__lt=timezone.now() - KEPT).delete()


def _waiting(study: Study | None) -> QuerySet[Trial]:
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=timezone.now())
    waiting = Trial.objects.filter(free, ended_at__isnull=True).order_by("requested_at", "pk")
    return waiting if study is None else waiting.filter(study=study)
