"""Write the logs: participants' steps and researchers' actions."""

from collections.abc import Sequence
from typing import Any

from annotation.models import Assignment, AuditLog, Event, Participant, Study, User
from annotation.services.statements import insert
from personaeval.storage import reading_goes_on


def event_log(*, participant: Participant, kind: Event.Kind, assignment: Assignment | None = None) -> None:
    """Record a participant's step."""
    events_log(participant=participant, kinds=[kind], assignment=assignment)


def events_log(*, participant: Participant, kinds: Sequence[Event.Kind], assignment: Assignment | None = None) -> None:
    """Record several steps of a participant at once, in their order."""
    insert([Event(participant=participant, kind=kind, assignment=assignment) for kind in kinds])


def look_log(*, user: User, action: str, study: Study | None = None, **data: Any) -> None:
    """Record that somebody has looked at something. Where nothing can be stored, the process's log has it alone."""
    with reading_goes_on(f"{action} by {user} of {study}, {data}"):
        audit_log(user=user, action=action, study=study, **data)


def audit_log(*, user: User | None, action: str, study: Study | None = None, **data: Any) -> None:
    """Record a researcher's or admin's action. `user` is None for a command run without one.

    `data` must be JSON and must not hold link tokens or participants' texts.
    """
    AuditLog.objects.create(user=user, action=action, study=study, data=data)
