"""Decide on single parts: keep them, or set them aside in analysis. Nothing is removed, and every decision is kept."""

from collections.abc import Sequence

from django.db import transaction

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Adjudication, Assignment, User
from annotation.services.locks import study_lock
from annotation.services.log import audit_log
from annotation.services.text import reason_text


def part_adjudicate(
    *, assignment: Assignment, decision: str, reason: str, flags: Sequence[str], user: User | None
) -> Adjudication:
    """Decide on a finished part, for a reason; a later decision replaces this one, which is kept. Logged.

    `flags` are what the part stood out for.

    Raises:
        ServiceError: there is no reason, or it is too long, or no such decision.
        NotAllowedNow: the part is not finished.
    """
    participant = assignment.participant
    reason = reason_text(reason, what=f"part {assignment.ordinal} of {participant.code}")
    if decision not in Adjudication.Decision.values:
        raise ServiceError(f"The decision is {decision!r}; it is one of: {', '.join(Adjudication.Decision.values)}.")
    if assignment.state != Assignment.State.COMPLETED:
        raise NotAllowedNow(f"Part {assignment.ordinal} of {participant.code} is not finished: nothing to decide yet.")
    with transaction.atomic():
        study_lock(study_id=participant.study_id)  # two who decide at once take turns
        Adjudication.objects.filter(assignment=assignment, is_current=True).update(is_current=False)
        made = Adjudication.objects.create(
            assignment=assignment, decision=decision, reason=reason, flags=list(flags), user=user
        )
        audit_log(
            user=user, action="part_adjudicate", study=participant.study, participant=participant.code,
            part=assignment.ordinal, decision=decision, reason=reason,
        )  # fmt: skip
    return made
