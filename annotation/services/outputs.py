"""The life of an output: requested, claimed by a worker with a lease, filled or failed; imported; excluded.

Every claim is one conditional UPDATE, so that any number of workers may run, on SQLite and on PostgreSQL.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, F, Min, Q, QuerySet
from django.utils import timezone

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Arm, Assignment, Output, Persona, Study, User
from annotation.services.locks import study_lock
from annotation.services.log import audit_log
from annotation.services.tallies import tallies_drop

MAX_ATTEMPTS = 3
WORKER_LOST = f"The worker was lost {MAX_ATTEMPTS} times while making this."
MAX_REASON = 200  # characters, as in Output.excluded_reason
MAX_ERROR = 500  # characters, as in Output.error


def outputs_request(*, persona: Persona) -> None:
    """Queue one output per arm of the persona's study. Does nothing for arms that have one already.

    Call it inside the transaction that submits the persona: then no persona can be submitted without its requests.
    """
    arms = Arm.objects.filter(study=persona.item.study_id)
    Output.objects.bulk_create([Output(persona=persona, arm=arm) for arm in arms], ignore_conflicts=True)


def outputs_request_missing(*, study: Study) -> None:
    """Queue the outputs that given personas in use still lack. Does nothing where all are there or asked for."""
    included = Persona.objects.filter(item__study=study, source=Persona.Source.GIVEN).exclude(
        outputs__excluded_at__isnull=False
    )
    for persona in included.annotate(there=Count("outputs")).filter(there__lt=study.arms.count()).order_by("pk"):
        outputs_request(persona=persona)


def outputs_request_draft(*, study: Study, user: User | None) -> int:
    """Queue what the given personas of a draft lack, so that it can be looked at before opening freezes it. Logged.

    Returns how many outputs were queued. Raises NotAllowedNow unless the study is a draft, and ServiceError if an arm
    has no system yet.
    """
    with transaction.atomic():
        _hold_draft(study, "Outputs can be made ahead")
        if unbound := list(study.arms.filter(fingerprint="").values_list("code", flat=True)):
            raise ServiceError(f"{', '.join(unbound)} of {study} have no system yet; see bind_arms.")
        outputs = Output.objects.filter(arm__study=study)
        before = outputs.count()
        outputs_request_missing(study=study)
        queued = outputs.count() - before
        if queued:
            audit_log(user=user, action="outputs_requested", study=study, outputs=queued)
    return queued


def outputs_claim(*, holder: str, limit: int, lease_seconds: int, study: Study | None = None) -> list[Output]:
    """Lease about `limit` requested outputs, of one study or of any, to `holder`, oldest first, and return them.

    Personas are claimed whole, so that a persona's arms are made in one batch and nothing about their timing differs;
    the last persona may therefore exceed the limit. Leases that have expired are claimed again. An output whose
    workers were lost MAX_ATTEMPTS times becomes failed, since it may be what ends them.
    """
    _fail_exhausted()
    free = _free() if study is None else _free().filter(arm__study=study)
    personas = (
        free.values("persona").annotate(oldest=Min("requested_at")).order_by("oldest", "persona")
        .values_list("persona", flat=True)[:limit]
    )  # fmt: skip
    claimed: list[int] = []
    for persona_id in list(personas):
        if len(claimed) >= limit:
            break
        claimed += _claim_persona(persona_id, holder=holder, lease_seconds=lease_seconds)
    return list(Output.objects.filter(pk__in=claimed).select_related("arm", "persona__item").order_by("pk"))


def outputs_renew(*, holder: str, lease_seconds: int) -> int:
    """Extend every lease of `holder`; return how many it still holds."""
    return _held(holder).update(lease_until=_lease_end(lease_seconds))


def outputs_release(*, holder: str) -> int:
    """Give back everything `holder` has not finished, as if it had never been claimed; return how many."""
    return _held(holder).update(lease_holder="", lease_until=None, attempts=F("attempts") - 1)


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
        lease_holder="", lease_until=None, error="",
    )  # fmt: skip
    return filled == 1


def output_fail(*, output_id: int, holder: str, error: str, final: bool) -> bool:
    """Record that an attempt failed: the output is queued again, or failed if `final` or after MAX_ATTEMPTS.

    Returns False, changing nothing, if the lease was lost. `error` is for researchers and holds no participant's text.
    """
    held = _held(holder).filter(pk=output_id)
    given_back = {"lease_holder": "", "lease_until": None, "error": error[:MAX_ERROR]}
    ends = Q() if final else Q(attempts__gte=MAX_ATTEMPTS)
    if held.filter(ends).update(state=Output.State.FAILED, **given_back) == 1:
        return True
    return not final and held.update(**given_back) == 1


def outputs_retry(*, study: Study, user: User | None) -> int:
    """Queue the failed outputs that somebody can still rate again, as if never tried; return how many. Logged.

    Those are outputs of given personas, and of written ones whose part is open: its author still waits for them.
    Raises NotAllowedNow where the study is closed.
    """
    if study.state == Study.State.CLOSED:
        raise NotAllowedNow(f"{study} is closed, and closed is final: nothing is made for it any more.")
    with transaction.atomic():
        # The state once more on the row itself: what another request has queued meanwhile may be claimed already.
        failed = Output.objects.filter(pk__in=outputs_retryable(study).values("pk"), state=Output.State.FAILED)
        queued = failed.update(
            state=Output.State.REQUESTED, attempts=0, error="", lease_holder="", lease_until=None
        )  # fmt: skip
        # The reasons stay out of the log: they may name what is behind an arm.
        if queued:
            audit_log(user=user, action="outputs_retry", study=study, outputs=queued)
    return queued


def outputs_failed(study: Study) -> QuerySet[Output]:
    """Return the outputs of a study that could not be made; their `error` says why, to those who may know systems."""
    return Output.objects.filter(persona__item__study=study, state=Output.State.FAILED, excluded_at__isnull=True)


def outputs_retryable(study: Study) -> QuerySet[Output]:
    """Return the failed outputs that somebody can still rate: those of given personas, and of open written parts."""
    open_parts = Assignment.objects.filter(state=Assignment.State.OPEN, participant__withdrawn_at__isnull=True)
    written = Persona.objects.filter(source=Persona.Source.WRITTEN, assignments__in=open_parts)
    return outputs_failed(study).filter(Q(persona__source=Persona.Source.GIVEN) | Q(persona__in=written))


def output_import(*, persona: Persona, arm: Arm, text: str, replace: bool = False) -> Output | None:
    """Store a response that was made elsewhere. Returns None if exactly this text was there already.

    Only a draft takes imports, since they are part of what opening freezes. Raises NotAllowedNow otherwise, and
    ServiceError if another text is there and `replace` is not given.
    """
    if persona.item.study_id != arm.study_id:
        raise ServiceError(f"Persona {persona.key} does not belong to {arm.study}.")
    values = {"state": Output.State.READY, "text": text, "fingerprint": arm.fingerprint, "ready_at": timezone.now()}
    with transaction.atomic():
        _hold_draft(arm.study, "Outputs can be imported")
        output, created = Output.objects.get_or_create(persona=persona, arm=arm, sample=0, defaults=values)
        if created:
            return output
        if output.state == Output.State.READY and output.text == text:
            return None
        if output.state == Output.State.READY and not replace:
            raise ServiceError(f"Item {persona.item.key} already has another text for {arm.code}.")
        Output.objects.filter(pk=output.pk).update(**values)
    output.refresh_from_db()
    return output


def outputs_exclude(*, persona: Persona, reason: str, user: User | None) -> None:
    """Leave a persona's outputs out of the study, those of all arms together, and log it.

    Raises NotAllowedNow unless the study is a draft, ServiceError without a reason or without outputs.
    """
    study = persona.item.study
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON:
        raise ServiceError(f"Give a reason of 1 to {MAX_REASON} characters for leaving out item {persona.item.key}.")
    with transaction.atomic():
        _hold_draft(study, "Outputs can be excluded")
        excluded = persona.outputs.update(excluded_reason=reason, excluded_at=timezone.now())
        if not excluded:
            raise ServiceError(f"Item {persona.item.key} has no outputs that could be excluded.")
        tallies_drop(study=study)
        audit_log(
            user=user, action="outputs_excluded", study=study,
            item=persona.item.key, persona=persona.key, outputs=excluded, reason=reason,
        )  # fmt: skip


def outputs_include(*, persona: Persona, user: User | None) -> None:
    """Undo outputs_exclude for all arms of a persona. Does nothing if nothing was excluded."""
    study = persona.item.study
    with transaction.atomic():
        _hold_draft(study, "An exclusion can be undone")
        included = persona.outputs.filter(excluded_at__isnull=False).update(excluded_reason="", excluded_at=None)
        if included:
            tallies_drop(study=study)
            audit_log(
                user=user, action="outputs_included", study=study,
                item=persona.item.key, persona=persona.key, outputs=included,
            )  # fmt: skip


def arm_fingerprint_set(*, arm: Arm, fingerprint: str) -> None:
    """Write the opaque hash of what makes an arm's outputs. Raises NotAllowedNow unless the study is a draft."""
    with transaction.atomic():
        _hold_draft(arm.study, "An arm can be bound")
        Arm.objects.filter(pk=arm.pk).update(fingerprint=fingerprint)
    arm.fingerprint = fingerprint


def study_demonstration_set(*, study: Study, demonstration: bool) -> None:
    """Say whether participants are told that this is a demonstration. Raises NotAllowedNow unless it is a draft."""
    with transaction.atomic():
        _hold_draft(study, "Arms can be bound")
        Study.objects.filter(pk=study.pk).update(demonstration=demonstration)
    study.demonstration = demonstration


def _hold_draft(study: Study, what: str) -> None:
    """Hold off the opening of the study until the transaction ends; raise NotAllowedNow if it is no draft any more."""
    study_lock(study_id=study.pk)
    state = Study.objects.values_list("state", flat=True).get(pk=study.pk)
    if state != Study.State.DRAFT:
        raise NotAllowedNow(f"{what} only while the study is a draft; {study} is {state}. Make a new version instead.")


def _lease_end(lease_seconds: int) -> datetime:
    return timezone.now() + timedelta(seconds=lease_seconds)


def _requested() -> QuerySet[Output]:
    """Outputs still to be made; those of an erased author never are.

    Every condition on the row itself must stay outside of a join: Django moves the conditions of an update with a join
    into a subquery, and there PostgreSQL does not look again after waiting for another worker's claim.
    """
    erased = Persona.objects.filter(author__erased_at__isnull=False)
    return Output.objects.filter(state=Output.State.REQUESTED, excluded_at__isnull=True).exclude(persona__in=erased)


def _free() -> QuerySet[Output]:
    return _requested().filter(Q(lease_until__isnull=True) | Q(lease_until__lt=timezone.now()))


def _held(holder: str) -> QuerySet[Output]:
    return _requested().filter(lease_holder=holder)


def _fail_exhausted() -> None:
    _free().filter(attempts__gte=MAX_ATTEMPTS).update(
        state=Output.State.FAILED,
        lease_holder="",
        lease_until=None,
        error=WORKER_LOST,
    )


def _claim_persona(persona_id: int, *, holder: str, lease_seconds: int) -> list[int]:
    """Lease all free outputs of one persona; return their ids, none if another worker came first.

    The first row is the gate: two workers meet there, in the same order, and only one of them passes.
    """
    lease = {"lease_holder": holder, "lease_until": _lease_end(lease_seconds), "attempts": F("attempts") + 1}
    free = _free().filter(persona=persona_id)
    with transaction.atomic():
        ids = list(free.order_by("pk").values_list("pk", flat=True))
        if not ids or free.filter(pk=ids[0]).update(**lease) != 1:
            return []
        return [ids[0], *(pk for pk in ids[1:] if free.filter(pk=pk).update(**lease) == 1)]
