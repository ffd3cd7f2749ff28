"""The first step of every save: hold the assignment, if it can still be worked on, and start its time afresh."""

from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.errors import NotAllowedNow
from annotation.flow import takes_work
from annotation.models import Assignment, Study
from annotation.services.statements import update

_TOUCH = "UPDATE annotation_assignment SET expires_at = %s WHERE id = %s AND state = %s AND expires_at > %s"
_HOLD = "UPDATE annotation_assignment SET expires_at = expires_at WHERE id = %s AND state = %s"


def assignment_touch(*, assignment: Assignment) -> None:
    """Start the assignment's time afresh, as every save does; an expired one stays expired but may be finished.

    The update also makes requests for one assignment take turns on PostgreSQL.

    Raises:
        NotAllowedNow: the assignment is finished, or the study is closed.
    """
    participant = assignment.participant
    work_touch(
        assignment_id=assignment.pk, participant_kind=participant.kind, study_state=participant.study.state,
        assignment_hours=participant.study.assignment_hours,
    )  # fmt: skip


def work_touch(*, assignment_id: int, participant_kind: str, study_state: str, assignment_hours: int) -> None:
    """Do what `assignment_touch` does, and raise what it raises, for who has read only these values."""
    work_check(participant_kind=participant_kind, study_state=study_state)
    now = timezone.now()
    lives = update(_TOUCH, now + timedelta(hours=assignment_hours), assignment_id, Assignment.State.OPEN, now)
    if not lives and not update(_HOLD, assignment_id, Assignment.State.OPEN):
        raise NotAllowedNow(_("This part has been finished already; its answers can no longer be changed."))


def work_check(*, participant_kind: str, study_state: str) -> None:
    """Raise NotAllowedNow if the study is closed or a draft; while it is paused it takes answers on their way."""
    if study_state != Study.State.PAUSED and not takes_work(study_state, participant_kind):
        raise NotAllowedNow(_("The study has been closed; answers can no longer be saved."))
