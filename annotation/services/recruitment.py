"""Let people in who come from a recruiting platform or a list, and take in what the platform says of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import OpenLink, Participant, Study, User
from annotation.recruitment import RecruitmentEvent, arrival
from annotation.services.handout import has_free_unit
from annotation.services.locks import study_lock
from annotation.services.log import audit_log
from annotation.services.participants import participants_number, place_take
from annotation.services.platform import places_return, platform_move, quota_has_room

State = Participant.PlatformState


@dataclass(frozen=True)
class Submission:
    """A row of the platform's list. `session` is "" where the list has none; `event` None where nothing follows."""

    person: str
    session: str
    event: RecruitmentEvent | None


def participant_arrive(*, open_link: OpenLink, person: str, session: str, language: str = "") -> Participant:
    """Return the participant whom the platform calls `person`, created at the first arrival, with that language.

    Whoever arrives is told at once if no place is left: the participant is then over quota and asked for nothing.

    Raises:
        NotAllowedNow: the study does not recruit on a platform or has never been opened, the link is used up, or
            `person` is a label from an invitation list: whoever guesses one must not get that person's link.
    """
    study = open_link.study
    if not study.recruitment.get("prolific") or study.state == Study.State.DRAFT:
        raise NotAllowedNow(_("This study takes nobody from Prolific at the moment."))
    with transaction.atomic():
        study_lock(study_id=study.pk)
        participant = Participant.objects.select_related("study").filter(study=study, external_id=person).first()
        if participant is None:
            place_take(open_link=open_link)
            values = {"origin": Participant.Origin.PROLIFIC, "open_link": open_link, "language": language}
            participant = participants_number(study=study, external_ids=[person], **values)[0]
        elif participant.origin != Participant.Origin.PROLIFIC:
            raise NotAllowedNow(_("This study takes nobody from Prolific by this id."))
        _arrive(participant, session)
    return participant


def _arrive(participant: Participant, session: str) -> None:
    if participant.withdrawn_at:
        return
    # Who has begun keeps an item to go on with; who has not needs one that is free.
    begun = participant.consented_at is not None
    is_over = participant.study.state == Study.State.CLOSED
    room = not is_over and quota_has_room(participant) and (begun or has_free_unit(participant))
    state = State(participant.platform_state)
    new_session = session != participant.session_id
    event = arrival(state, new_session=new_session, room=room)
    if event is not None:
        platform_move(participant=participant, event=event, session_id=session)
    elif new_session and state not in (State.RETURNED, State.TIMED_OUT):
        Participant.objects.filter(pk=participant.pk).update(session_id=session)


def participants_invite(*, study: Study, ids: Sequence[str], user: User | None) -> list[Participant]:
    """Return a person with a link for each id, in that order; who was invited before keeps their link. Logged.

    Raises:
        ServiceError: an id is given twice.
        NotAllowedNow: the study is closed.
    """
    if twice := [known_as for known_as, times in Counter(ids).items() if times > 1]:
        raise ServiceError(f"{len(twice)} ids are given more than once; give each person one line.")
    if study.state == Study.State.CLOSED:
        raise NotAllowedNow(f"{study} is closed, and closed is final: it takes no more participants.")
    with transaction.atomic():
        study_lock(study_id=study.pk)
        people = Participant.objects.filter(study=study).exclude(external_id="")
        known = set(people.values_list("external_id", flat=True))
        new = [known_as for known_as in ids if known_as not in known]
        participants_number(study=study, external_ids=new, origin=Participant.Origin.INVITED)
        audit_log(user=user, action="participants_invite", study=study, made=len(new), known=len(ids) - len(new))
        by_id = {participant.external_id: participant for participant in people}
    return [by_id[known_as] for known_as in ids]


def submissions_sync(*, study: Study, submissions: Sequence[Submission], user: User | None) -> Counter[str]:
    """Move participants to where the platform says they are, and return how many rows had which effect. Logged.

    A row counts for the participant's latest session only: an earlier one that was returned and followed by a new
    arrival says nothing about that.
    """
    effects: Counter[str] = Counter()
    with transaction.atomic():
        study_lock(study_id=study.pk)
        people = Participant.objects.filter(study=study, origin=Participant.Origin.PROLIFIC).exclude(external_id="")
        by_id = {participant.external_id: participant for participant in people}
        for submission in submissions:
            effects[_sync(by_id.get(submission.person), submission)] += 1
        audit_log(user=user, action="prolific_sync", study=study, effects=dict(effects))
    return effects


def _sync(participant: Participant | None, submission: Submission) -> str:
    if participant is None:
        return "never arrived here"
    if submission.session and submission.session != participant.session_id:
        return "an earlier session"
    if submission.event is None or not platform_move(participant=participant, event=submission.event):
        return "nothing to change"
    places_return(participant=participant)
    return submission.event.value
