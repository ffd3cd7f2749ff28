"""The queue of outputs to be made: their order, how workers claim them with a lease, and what becomes of them.

The requested rows are the queue. Those that somebody waits for come before those that somebody will need next, and
those before what nobody needs yet. Among equals the studies alternate: a request takes the turn after the last one of
its study that waits, or the turn at the head if none does, as in start-time fair queueing (Goyal, Vin & Cheng 1996).
So one study's thousand requests do not stand before another's first; within a study it is first come, first served.

Every claim is one conditional UPDATE, so that any number of workers may run, on SQLite and on PostgreSQL.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import Exists, F, Max, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from annotation.errors import ServiceError
from annotation.holding import unmade_holds
from annotation.models import Arm, Output, Persona, Study

MAX_ATTEMPTS = 3
WORKER_LOST = f"The worker was lost {MAX_ATTEMPTS} times while making this."
MAX_ERROR = 500  # characters, as in Output.error
ORDER = ("urgency", "turn", "persona_id", "pk")


def next_turn(*, study_id: int, urgency: int) -> int:
    """Return the turn of the study's next request: after its own that wait, and never before the head of the queue."""
    waiting = free_outputs().filter(urgency=urgency).order_by()
    found = waiting.aggregate(own=Max("turn", filter=Q(arm__study=study_id)), head=Min("turn"))
    return found["own"] + 1 if found["own"] is not None else found["head"] or 0


def outputs_hurry(*, persona: Persona) -> None:
    """Let what is still to be made for a persona come first from now on: somebody waits for it."""
    _move(persona, Output.Urgency.WAITED_FOR)


def outputs_prepare(*, persona: Persona) -> None:
    """Let what is still to be made for a persona come before the bulk: somebody will need it next."""
    _move(persona, Output.Urgency.AHEAD)


def outputs_relax(*, persona: Persona) -> None:
    """Let what is still to be made for a persona wait behind all that is needed: nobody waits for it any more."""
    urgency = Output.Urgency.BULK
    turn = next_turn(study_id=persona.item.study_id, urgency=urgency)
    requested_outputs().filter(persona=persona, urgency__lt=urgency).update(urgency=urgency, turn=turn)


def arms_expected(study: Study | None = None) -> list[int]:
    """Return the arms, of one open study or of any, that somebody may want something of at any moment."""
    live = Arm.objects.filter(study__state=Study.State.OPEN, study__written_personas_per_participant__gt=0)
    if study is not None:
        live = live.filter(study=study)
    return sorted(live.exclude(fingerprint="").values_list("pk", flat=True))


def arms_wanted(study: Study | None = None) -> list[int]:
    """Return the arms, of one study or of any, for which something can be claimed now."""
    free = free_outputs() if study is None else free_outputs().filter(arm__study=study)
    return sorted(free.order_by().values_list("arm", flat=True).distinct())


def arms_waiting(study: Study | None = None) -> list[int]:
    """Return the arms for which something is left that no worker makes, also where it may not be claimed yet."""
    left = requested_outputs().filter(Q(lease_until__isnull=True) | Q(lease_until__lt=timezone.now()))
    if study is not None:
        left = left.filter(arm__study=study)
    return sorted(left.order_by().values_list("arm", flat=True).distinct())


def outputs_claim(
    *, holder: str, limit: int, lease_seconds: int, arms: Collection[int] | None = None, study: Study | None = None
) -> list[Output]:
    """Lease up to `limit` outputs from the head of the queue to `holder`, and return them in its order.

    Of `arms` alone, where they are given, and of one study. Leases that have expired are claimed again. An output whose
    workers were lost MAX_ATTEMPTS times becomes failed, since it may be what ends them.
    """
    _fail_exhausted()
    free = free_outputs()
    if study is not None:
        free = free.filter(arm__study=study)
    if arms is not None:
        free = free.filter(arm__in=arms)
    while found := list(free.order_by(*ORDER).values_list("pk", flat=True)[:limit]):
        now = timezone.now()
        lease = {"lease_holder": holder, "lease_until": now + timedelta(seconds=lease_seconds), "claimed_at": now}
        if free_outputs().filter(pk__in=found).update(**lease, attempts=F("attempts") + 1):
            mine = Output.objects.filter(pk__in=found, lease_holder=holder, claimed_at=now)
            return list(mine.select_related("arm", "persona__item").order_by(*ORDER))
        # Another worker was quicker with all of them; the queue has a new head.
    return []


def outputs_renew(*, holder: str, lease_seconds: int) -> int:
    """Extend every lease of `holder`; return how many it still holds."""
    return _held(holder).update(lease_until=_lease_end(lease_seconds))


def outputs_release(*, holder: str, keep: Collection[int] = ()) -> int:
    """Give back all but `keep` that `holder` has not finished, as if it had never been claimed; return how many."""
    return _held(holder).exclude(pk__in=keep).update(lease_holder="", lease_until=None, attempts=F("attempts") - 1)


def output_fill(*, output_id: int, holder: str, text: str, fingerprint: str) -> bool:
    """Store a response. Return False, changing nothing, if the lease was lost or the persona has been erased.

    Raises ServiceError if the response was not made by what the arm's fingerprint stands for.
    """
    expected = Arm.objects.values_list("fingerprint", flat=True).filter(outputs=output_id).first()
    if expected is None:  # erased with its persona
        return False
    if not fingerprint or fingerprint != expected:
        raise ServiceError(f"Output {output_id} was made with other files or settings than its arm was bound to.")
    filled = _held(holder).filter(pk=output_id).update(
        state=Output.State.READY, text=text, fingerprint=fingerprint, ready_at=timezone.now(),
        lease_holder="", lease_until=None, not_before=None, error="",
    )  # fmt: skip
    return filled == 1


def output_fail(
    *, output_id: int, holder: str, error: str, final: bool, counts: bool = True, pause_seconds: float = 0.0
) -> bool:
    """Record that an attempt failed: the output is queued again, or failed if `final` or after MAX_ATTEMPTS.

    It is not claimed again before the pause is over. An attempt that does not count leaves the number of attempts as it
    was before: the fault was not the output's. Returns False, changing nothing, if the lease was lost. `error` is for
    researchers and holds no participant's text.
    """
    held = _held(holder).filter(pk=output_id)
    given_back = {"lease_holder": "", "lease_until": None, "error": error[:MAX_ERROR]}
    ends = Q() if final else Q(attempts__gte=MAX_ATTEMPTS)
    if (final or counts) and held.filter(ends).update(state=Output.State.FAILED, **given_back) == 1:
        return True
    tried = {} if counts else {"attempts": F("attempts") - 1}
    pause = timezone.now() + timedelta(seconds=pause_seconds) if pause_seconds else None
    return not final and held.update(**given_back, **tried, not_before=pause) == 1


def requested_outputs() -> QuerySet[Output]:
    """Return the outputs still to be made; those of an erased author never are, nor those of a persona held back.

    Every condition on the row itself must stay outside of a join: Django moves the conditions of an update with a join
    into a subquery, and there PostgreSQL does not look again after waiting for another worker's claim.
    """
    erased = Persona.objects.filter(author__erased_at__isnull=False)
    held = unmade_holds().filter(persona=OuterRef("persona_id"))
    wanted = Output.objects.filter(~Exists(held), state=Output.State.REQUESTED, excluded_at__isnull=True)
    return wanted.exclude(persona__in=erased)


def free_outputs() -> QuerySet[Output]:
    """Return the outputs that a worker may claim now."""
    now = timezone.now()
    return requested_outputs().filter(
        Q(lease_until__isnull=True) | Q(lease_until__lt=now), Q(not_before__isnull=True) | Q(not_before__lte=now)
    )


def _held(holder: str) -> QuerySet[Output]:
    return requested_outputs().filter(lease_holder=holder)


def _lease_end(lease_seconds: int) -> datetime:
    return timezone.now() + timedelta(seconds=lease_seconds)


def _move(persona: Persona, urgency: Output.Urgency) -> None:
    waiting = requested_outputs().filter(persona=persona, urgency__gt=urgency)
    if waiting.exists():
        waiting.update(urgency=urgency, turn=next_turn(study_id=persona.item.study_id, urgency=urgency))


def _fail_exhausted() -> None:
    exhausted = free_outputs().filter(attempts__gte=MAX_ATTEMPTS)
    if exhausted.exists():
        exhausted.update(state=Output.State.FAILED, lease_holder="", lease_until=None, error=WORKER_LOST)
