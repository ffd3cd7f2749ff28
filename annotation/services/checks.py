"""Tell a participant, once, that a loud attention check was missed."""

from django.db import transaction
from django.db.models import F

from annotation.models import Aspect, Assignment, Event, Rating
from annotation.services.assignments import assignment_touch
from annotation.services.log import event_log


def check_tell(*, assignment: Assignment) -> Aspect | None:
    """Return the loud check of this part if its answer is wrong and that has not been told yet; log that it is now.

    Raises:
        NotAllowedNow: the assignment is finished, or the study is closed.
    """
    with transaction.atomic():
        assignment_touch(assignment=assignment)
        missed = (
            Rating.objects.filter(
                slot__assignment=assignment,
                superseded_by__isnull=True,
                aspect__kind=Aspect.Kind.CHECK,
                aspect__is_loud=True,
            )
            .exclude(value=F("aspect__expected"))
            .select_related("aspect")
            .first()
        )
        if missed is None or assignment.events.filter(kind=Event.Kind.CHECK_MISSED).exists():
            return None
        event_log(participant=assignment.participant, kind=Event.Kind.CHECK_MISSED, assignment=assignment)
        return missed.aspect
