"""Leave participants out of the counts and of analysis, and take them back in. Nothing is ever removed."""

from django.db import transaction
from django.utils import timezone

from annotation.errors import NotAllowedNow
from annotation.models import Assignment, Participant, User
from annotation.services.locks import study_lock
from annotation.services.log import audit_log
from annotation.services.tallies import participant_recount
from annotation.services.text import reason_text
from annotation.units import is_place_filled


def participant_exclude(*, participant: Participant, reason: str, user: User | None) -> None:
    """Mark a participant as left out of the counts and of analysis; their answers stay, marked in exports. Logged.

    Raises:
        ServiceError: there is no reason, or it is too long.
        NotAllowedNow: the participant is excluded already, or their data has been erased.
    """
    reason = reason_text(reason, what=f"excluding {participant.code}")
    with transaction.atomic():
        study_lock(study_id=participant.study_id)
        included = Participant.objects.filter(pk=participant.pk, excluded_at__isnull=True, erased_at__isnull=True)
        if not included.update(excluded_at=timezone.now(), excluded_reason=reason):
            raise NotAllowedNow(f"{participant.code} is excluded or erased already.")
        participant_recount(participant=participant)
        _log("participant_exclude", participant, user, reason=reason)


def participant_include(*, participant: Participant, reason: str, user: User | None) -> None:
    """Undo an exclusion; logged with the reason for it. Their parts that others have filled meanwhile become surplus.

    Raises:
        ServiceError: there is no reason, or it is too long.
        NotAllowedNow: the participant is not excluded.
    """
    reason = reason_text(reason, what=f"including {participant.code} again")
    with transaction.atomic():
        study_lock(study_id=participant.study_id)  # nobody is handed a place while it is counted
        excluded = Participant.objects.filter(pk=participant.pk, excluded_at__isnull=False)
        if not excluded.update(excluded_at=None, excluded_reason=""):
            raise NotAllowedNow(f"{participant.code} is not excluded.")
        _give_up_filled(participant)
        participant_recount(participant=participant)
        _log("participant_include", participant, user, reason=reason)


def _give_up_filled(participant: Participant) -> None:
    """Mark the finished parts whose places others hold by now, so that no unit counts more of them than it has.

    Those at work have expired, then: they may be finished, and become surplus when they are.
    """
    held = participant.assignments.filter(state__in=(Assignment.State.COMPLETED, Assignment.State.OPEN))
    for assignment in held.select_related("persona"):
        assignment.participant = participant
        if is_place_filled(assignment):
            is_done = assignment.state == Assignment.State.COMPLETED
            values = {"surplus": True} if is_done else {"expires_at": timezone.now()}
            Assignment.objects.filter(pk=assignment.pk).update(**values)


def _log(action: str, participant: Participant, user: User | None, **data: str) -> None:
    audit_log(user=user, action=action, study=participant.study, participant=participant.code, **data)
