"""Hold personas back and decide on them. A hold is placed in the transaction that would otherwise let them go on."""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotation.errors import NotAllowedNow
from annotation.models import Assignment, Event, Output, Persona, PersonaHold, Study, User
from annotation.services.locks import study_lock
from annotation.services.log import audit_log, event_log
from annotation.services.queue import outputs_relax
from annotation.services.tallies import assignment_recount, tallies_drop
from annotation.services.text import reason_text

MAX_KINDS = 200  # characters, as in PersonaHold.reason
Stage = PersonaHold.Stage


def hold_place(*, persona_id: int, stage: PersonaHold.Stage, reason: str) -> None:
    """Hold a persona back at a stage; one that was released there is held again, and what was refused stays so.

    Call it in the transaction that lets the persona go on otherwise.
    """
    now, reason = timezone.now(), reason[:MAX_KINDS]
    made = {"at": now, "reason": reason}
    hold, created = PersonaHold.objects.get_or_create(persona_id=persona_id, stage=stage, defaults=made)
    if not created:
        released = PersonaHold.objects.filter(pk=hold.pk, released_at__isnull=False)
        released.update(released_at=None, released_by=None, **made)


def outputs_hold(*, persona: Persona, kinds: list[str]) -> None:
    """Hold all outputs of a persona back, since something was found in one of them; call it where that one is stored.

    Placed with the first find, whichever arm it is in and whether or not the others are there: so there is no moment
    at which they could be shown, and nothing tells which one it was. A draft is looked at before it opens.
    """
    if persona.item.study.state != Study.State.DRAFT:
        hold_place(persona_id=persona.pk, stage=Stage.OUTPUTS, reason=", ".join(sorted(set(kinds))))


def hold_lift(*, persona_id: int, stage: PersonaHold.Stage) -> None:
    """End a hold without anybody's decision: what it waited for has come."""
    standing = PersonaHold.objects.filter(persona=persona_id, stage=stage, released_at=None, refused_at=None)
    standing.update(released_at=timezone.now())


def hold_release(*, hold: PersonaHold, user: User | None) -> None:
    """Let a persona go on: its outputs are made, or shown. Logged.

    Raises:
        NotAllowedNow: it has been decided already, outputs of it are still being made, or the study is closed.
    """
    study = hold.persona.item.study
    if study.state == Study.State.CLOSED:
        raise NotAllowedNow(f"{study} is closed, and closed is final: nothing is made or shown any more.")
    with transaction.atomic():
        study_lock(study_id=study.pk)
        _check_made(hold)
        if not _standing(hold).update(released_at=timezone.now(), released_by=user):
            raise NotAllowedNow("This has been decided already.")
        if not Assignment.objects.filter(persona=hold.persona_id, state=Assignment.State.OPEN).exists():
            outputs_relax(persona=hold.persona)  # whoever wrote it has gone on
        audit_log(user=user, action="hold_released", study=study, **_named(hold))


def hold_refuse(*, hold: PersonaHold, reason: str, user: User | None) -> None:
    """Leave a persona out: whoever waits for it goes on with another prompt, and nothing is made or shown. Logged.

    Raises:
        ServiceError: there is no reason, or it is too long.
        NotAllowedNow: it has been decided already, or outputs of it are still being made.
    """
    reason, study = reason_text(reason, what="refusing this"), hold.persona.item.study
    now = timezone.now()
    with transaction.atomic():
        study_lock(study_id=study.pk)
        _check_made(hold)
        if not _standing(hold).update(refused_at=now, refused_by=user, refused_reason=reason):
            raise NotAllowedNow("This has been decided already.")
        _send_on(hold.persona)
        if hold.persona.source == Persona.Source.GIVEN:  # nobody is to get it from now on
            hold.persona.outputs.update(excluded_at=now, excluded_reason=reason)
            tallies_drop(study=study)
        audit_log(user=user, action="hold_refused", study=study, reason=reason, **_named(hold))


def _check_made(hold: PersonaHold) -> None:
    waiting = Output.objects.filter(persona=hold.persona_id, state=Output.State.REQUESTED)
    if hold.stage == Stage.OUTPUTS and waiting.exists():
        raise NotAllowedNow("Not all responses to this persona are there yet; look at them together.")


def _standing(hold: PersonaHold) -> QuerySet[PersonaHold]:
    return PersonaHold.objects.filter(pk=hold.pk, released_at__isnull=True, refused_at__isnull=True)


def _send_on(persona: Persona) -> None:
    """Set aside the open parts on a persona, as their participants could have done themselves."""
    waiting = Assignment.objects.filter(persona=persona, state=Assignment.State.OPEN, shown_at__isnull=True)
    for assignment in waiting.select_related("participant__study", "persona__item"):
        Assignment.objects.filter(pk=assignment.pk).update(state=Assignment.State.SET_ASIDE)
        assignment_recount(assignment=assignment)
        event_log(participant=assignment.participant, kind=Event.Kind.ASSIGNMENT_SET_ASIDE, assignment=assignment)


def _named(hold: PersonaHold) -> dict[str, str]:
    return {"item": hold.persona.item.key, "persona": hold.persona.key, "stage": hold.stage}
