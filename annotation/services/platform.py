"""Move participants of a recruiting platform from state to state, and count what holds a place of the quota."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from annotation.models import Assignment, Event, Participant, Study
from annotation.recruitment import AT_WORK, LOGGED, TRANSITIONS, RecruitmentEvent
from annotation.services.log import event_log
from annotation.services.tallies import participant_recount


def platform_move(*, participant: Participant, event: RecruitmentEvent, session_id: str | None = None) -> bool:
    """Apply what happened; return whether the state changed. `participant` carries the new state afterwards.

    Conditional updates, so that of two requests at once one moves the participant.
    """
    values = {} if session_id is None else {"session_id": session_id}
    steps = [(before, after) for (before, leads_on), after in TRANSITIONS.items() if leads_on == event]
    with transaction.atomic():
        for before, after in steps:
            here = Participant.objects.filter(pk=participant.pk, platform_state=before, withdrawn_at__isnull=True)
            if here.update(platform_state=after, **values):
                _log(participant, before, event)
                participant.platform_state = after
                participant.session_id = values.get("session_id", participant.session_id)
                return True
    return False


def places_return(*, participant: Participant) -> None:
    """Let the participant's unfinished assignments expire at once, so that somebody else gets their places.

    Call it in the study's turn.
    """
    unfinished = Assignment.objects.filter(participant=participant, state=Assignment.State.OPEN)
    if unfinished.filter(expires_at__gt=timezone.now()).update(expires_at=timezone.now()):
        participant_recount(participant=participant)


def quota_has_room(participant: Participant) -> bool:
    """Whether the study's quota leaves a place for this participant. Hold the study's turn to act on the answer."""
    quota = participant.study.recruitment.get("quota")
    if quota is None:
        return True
    others = holding_places(participant.study, participant.kind).exclude(pk=participant.pk)
    return others.count() < quota


def holding_places(study: Study, kind: str) -> QuerySet[Participant]:
    """Return the participants who count towards the quota: they have finished, or are at work.

    At work is who has consented and either holds an assignment that has not expired, or took a step of the study
    within `assignment_hours`. Excluded participants hold none: somebody else can come for them. Previews and bots are
    counted apart from people.
    """
    now = timezone.now()
    holds = Assignment.objects.filter(participant=OuterRef("pk"), state=Assignment.State.OPEN, expires_at__gt=now)
    recent = Event.objects.filter(participant=OuterRef("pk"), at__gt=now - timedelta(hours=study.assignment_hours))
    at_work = Q(
        Exists(holds) | Exists(recent),
        consented_at__isnull=False,
        withdrawn_at__isnull=True,
        screened_out_at__isnull=True,
        platform_state__in=AT_WORK,
    )
    people = Participant.objects.filter(study=study, kind=kind, erased_at__isnull=True, excluded_at__isnull=True)
    return people.filter(Q(completed_at__isnull=False) | at_work)


def _log(participant: Participant, before: str, event: RecruitmentEvent) -> None:
    reopened = before in (Participant.PlatformState.RETURNED, Participant.PlatformState.TIMED_OUT)
    if event in LOGGED:
        event_log(participant=participant, kind=LOGGED[event])
    elif event == RecruitmentEvent.ARRIVE_AGAIN and reopened:
        event_log(participant=participant, kind=Event.Kind.REOPENED)
