"""What is asked of outputs: to be made, made again, imported, left out. How they are made is in services/queue.py."""

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Arm, Assignment, Output, Persona, Study, User
from annotation.protocol import given_personas
from annotation.services.locks import study_lock
from annotation.services.log import audit_log
from annotation.services.queue import next_turn
from annotation.services.tallies import tallies_drop
from annotation.services.text import reason_text


def outputs_request(*, persona: Persona) -> None:
    """Queue one output per arm for the author of a persona, who waits. Does nothing for arms that have one already.

    Call it inside the transaction that submits the persona: then no persona can be submitted without its requests.
    """
    urgency = Output.Urgency.WAITED_FOR
    _request(persona, urgency, next_turn(study_id=persona.item.study_id, urgency=urgency))


def outputs_request_missing(*, study: Study) -> None:
    """Queue the outputs that given personas in use still lack. Does nothing where all are there or asked for."""
    included = given_personas(study).exclude(outputs__excluded_at__isnull=False)
    lacking = included.annotate(there=Count("outputs")).filter(there__lt=study.arms.count()).select_related("item")
    first = next_turn(study_id=study.pk, urgency=Output.Urgency.BULK)
    for turn, persona in enumerate(lacking.order_by("pk"), start=first):
        _request(persona, Output.Urgency.BULK, turn)


def _request(persona: Persona, urgency: Output.Urgency, turn: int) -> None:
    arms = Arm.objects.filter(study=persona.item.study_id)
    outputs = [Output(persona=persona, arm=arm, urgency=urgency, turn=turn) for arm in arms]
    Output.objects.bulk_create(outputs, ignore_conflicts=True)


def outputs_request_draft(*, study: Study, user: User | None) -> int:
    """Queue what the given personas of a draft lack, so that it can be looked at before opening freezes it. Logged.

    Returns how many outputs were queued. Raises NotAllowedNow unless the study is a draft, and ServiceError if an arm
    has no system yet.
    """
    with transaction.atomic():
        _hold_draft(study, "Outputs can be made ahead")
        if unbound := list(study.arms.filter(fingerprint="").values_list("ordinal", flat=True)):
            raise ServiceError(f"Arm {', '.join(map(str, unbound))} of {study} has no system yet; see bind_arms.")
        outputs = Output.objects.filter(arm__study=study)
        before = outputs.count()
        outputs_request_missing(study=study)
        queued = outputs.count() - before
        if queued:
            audit_log(user=user, action="outputs_requested", study=study, outputs=queued)
    return queued


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
            state=Output.State.REQUESTED, attempts=0, error="", lease_holder="", lease_until=None, not_before=None
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
    reason = reason_text(reason, what=f"leaving out item {persona.item.key}")
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
