"""Pass over an assignment with a reason, or accept its warning."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.errors import NotAllowedNow, ServiceError
from annotation.fields import is_blank
from annotation.flow import takes_work
from annotation.models import Assignment, Event
from annotation.services.locks import study_lock
from annotation.services.log import event_log
from annotation.services.tallies import assignment_recount
from annotation.services.text import reason_text

WARNING_REASON = "The warning"


def assignment_skip(*, assignment: Assignment, reason: str) -> None:
    """End an assignment without answers; its place returns, and what was answered is kept.

    Raises:
        ServiceError: there is no reason, or it is too long.
        NotAllowedNow: the assignment is over, the study is not running, or neither its file nor a warning that has
            not been accepted allows skipping.
    """
    if is_blank(reason):
        raise ServiceError(_("Choose a reason, or write one, before you skip this."))
    reason = reason_text(reason, what=_("skipping this"))
    study = assignment.participant.study
    if not takes_work(study.state, assignment.participant.kind):
        raise NotAllowedNow(_("The study is not open at the moment."))
    if not study.skip_reasons and not assignment.persona.item.warning:
        raise NotAllowedNow(_("Parts of this study cannot be skipped."))
    with transaction.atomic():
        study_lock(study_id=study.pk)
        here = Assignment.objects.filter(pk=assignment.pk, state=Assignment.State.OPEN)
        if not study.skip_reasons:
            here = here.filter(warned_at__isnull=True)
        if not here.update(state=Assignment.State.SKIPPED, skip_reason=reason):
            raise NotAllowedNow(_("This part cannot be skipped."))
        assignment_recount(assignment=assignment)
        event_log(participant=assignment.participant, kind=Event.Kind.ASSIGNMENT_SKIPPED, assignment=assignment)


def assignment_warned(*, assignment: Assignment) -> None:
    """Record that the item's warning was accepted, once."""
    unwarned = Assignment.objects.filter(pk=assignment.pk, state=Assignment.State.OPEN, warned_at__isnull=True)
    unwarned.update(warned_at=timezone.now())
