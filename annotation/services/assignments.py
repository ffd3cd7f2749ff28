"""Mark what was handed out as shown, or set it aside; handout.py hands out, finishing.py finishes."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.errors import NotAllowedNow
from annotation.models import Assignment, Event
from annotation.services.locks import study_lock
from annotation.services.log import event_log
from annotation.services.queue import outputs_relax
from annotation.services.tallies import assignment_recount


def assignment_mark_shown(*, assignment: Assignment) -> None:
    """Record when the outputs first stood on the page."""
    with transaction.atomic():
        if Assignment.objects.filter(pk=assignment.pk, shown_at__isnull=True).update(shown_at=timezone.now()):
            event_log(participant=assignment.participant, kind=Event.Kind.SHOWN, assignment=assignment)


def assignment_set_aside(*, assignment: Assignment) -> None:
    """Give up an assignment whose outputs failed or do not come; the persona stays, the place returns.

    Raises:
        NotAllowedNow: the assignment is not open, or its outputs are already on the page.
    """
    with transaction.atomic():
        study_lock(study_id=assignment.participant.study_id)
        waiting = Assignment.objects.filter(
            pk=assignment.pk, state=Assignment.State.OPEN, shown_at__isnull=True, persona__submitted_at__isnull=False
        )
        if not waiting.update(state=Assignment.State.SET_ASIDE):
            raise NotAllowedNow(_("This part cannot be set aside any more."))
        assignment_recount(assignment=assignment)
        outputs_relax(persona=assignment.persona)
        event_log(participant=assignment.participant, kind=Event.Kind.ASSIGNMENT_SET_ASIDE, assignment=assignment)
