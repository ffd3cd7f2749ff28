"""The queue of personas that a guard model is asked about, and what becomes of its answers.

Claimed as outputs are: by one conditional update, with a lease. What the guard is, only `modelhub` knows.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from annotation.models import GuardCheck, Persona, PersonaFinding, PersonaHold, Study
from annotation.screening import HOLD, action_of, screening_of
from annotation.services.holds import hold_lift, hold_place

MAX_GUARD_ATTEMPTS = 3
FIRST_GUARD_PAUSE = 5.0  # seconds, after the first attempt; twice as long after each further one
MAX_GUARD_ERROR = 500  # characters, as in GuardCheck.error
NO_GUARD_VERDICT = "The guard gave no verdict."


def guard_request(*, persona: Persona, blocks: bool) -> None:
    """Have a guard asked about a persona; `blocks`: nothing is made before it has answered."""
    GuardCheck.objects.get_or_create(persona=persona)
    if blocks:
        hold_place(persona_id=persona.pk, stage=PersonaHold.Stage.GUARD, reason="")


def guard_claim(*, holder: str, limit: int, lease_seconds: int, study: Study | None = None) -> list[GuardCheck]:
    """Lease up to `limit` checks, of one study or of any, to `holder`, the oldest first."""
    free = _free() if study is None else _free().filter(persona__item__study=study)
    if not (found := list(free.order_by("requested_at", "pk").values_list("pk", flat=True)[:limit])):
        return []
    now = timezone.now()
    until = now + timedelta(seconds=lease_seconds)
    claimed = [
        pk for pk in found
        if _free().filter(pk=pk).update(lease_holder=holder, lease_until=until, attempts=F("attempts") + 1)
    ]  # fmt: skip
    return list(GuardCheck.objects.filter(pk__in=claimed).select_related("persona__item__study").order_by("pk"))


def guard_release(*, holder: str) -> int:
    """Give back what `holder` has not finished, as if it had never been claimed; return how much."""
    return _held(holder).update(lease_holder="", lease_until=None, attempts=F("attempts") - 1)


def guards_pending(study: Study | None = None) -> bool:
    """Return whether any check, of one study or of any, has no end yet that no worker is at, also if it is paused."""
    pending = GuardCheck.objects.filter(
        Q(lease_until__isnull=True) | Q(lease_until__lt=timezone.now()), ended_at__isnull=True
    )
    return (pending if study is None else pending.filter(persona__item__study=study)).exists()


def guard_store(*, check: GuardCheck, holder: str, categories: list[str]) -> bool:
    """Store a verdict: safe without any category. Let the persona go on, or hold it, as the study says.

    Returns False, changing nothing, if the lease was lost or the persona has been erased.
    """
    with transaction.atomic():
        if not _end(check, holder):
            return False
        if categories:
            _note(check, PersonaFinding.Kind.UNSAFE, ", ".join(categories))
        else:
            hold_lift(persona_id=check.persona_id, stage=PersonaHold.Stage.GUARD)
    return True


def guard_fail(*, check: GuardCheck, holder: str, error: str, final: bool = False) -> bool:
    """Record that an attempt failed: it is asked again after a pause, or the persona goes on without a verdict.

    "Goes on" is as the study says: held for the researchers, or let through; either is noted. Returns False, changing
    nothing, if the lease was lost.
    """
    with transaction.atomic():
        if not final and check.attempts < MAX_GUARD_ATTEMPTS:
            pause = timezone.now() + timedelta(seconds=FIRST_GUARD_PAUSE * 2.0 ** (check.attempts - 1))
            tried = {"lease_holder": "", "lease_until": None, "not_before": pause, "error": error[:MAX_GUARD_ERROR]}
            return _held(holder).filter(pk=check.pk).update(**tried) == 1
        if not _end(check, holder, error):
            return False
        _note(check, PersonaFinding.Kind.NO_VERDICT, NO_GUARD_VERDICT)
    return True


def _note(check: GuardCheck, kind: PersonaFinding.Kind, detail: str) -> None:
    setting = screening_of(check.persona.item.study).guard
    PersonaFinding.objects.get_or_create(
        persona_id=check.persona_id, source=PersonaFinding.Source.GUARD, kind=kind, detail=detail[:200],
        defaults={"action": action_of(setting)},
    )  # fmt: skip
    if setting == HOLD:
        hold_place(persona_id=check.persona_id, stage=PersonaHold.Stage.PERSONA, reason=kind)
    hold_lift(persona_id=check.persona_id, stage=PersonaHold.Stage.GUARD)


def _end(check: GuardCheck, holder: str, error: str = "") -> bool:
    ended = {"ended_at": timezone.now(), "lease_holder": "", "lease_until": None, "error": error[:MAX_GUARD_ERROR]}
    return _held(holder).filter(pk=check.pk).update(**ended) == 1


def _held(holder: str) -> QuerySet[GuardCheck]:
    return GuardCheck.objects.filter(lease_holder=holder, ended_at__isnull=True)


def _free() -> QuerySet[GuardCheck]:
    now = timezone.now()
    return GuardCheck.objects.filter(
        Q(lease_until__isnull=True) | Q(lease_until__lt=now),
        Q(not_before__isnull=True) | Q(not_before__lte=now),
        ended_at__isnull=True,
    )
