"""Let people in who come from a recruiting platform or a list, and take in what the platform says of them."""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from annotation.errors import NotAllowedNow, NotProven, ServiceError
from annotation.fields import id_key
from annotation.keys import visit_token
from annotation.models import OpenLink, Participant, Study, User
from annotation.recruitment import RecruitmentEvent, arrival
from annotation.services.entrance import check_answer, place_take
from annotation.services.handout import has_free_unit
from annotation.services.locks import study_lock
from annotation.services.log import audit_log
from annotation.services.participants import participants_number
from annotation.services.platform import places_return, platform_move, quota_has_room
from annotation.testarrivals import is_test_person

State = Participant.PlatformState


@dataclass(frozen=True)
class Submission:
    """A row of the platform's list. `session` is "" where the list has none; `event` None where nothing follows."""

    person: str
    session: str
    event: RecruitmentEvent | None


@dataclass(frozen=True)
class Proof:
    """What a browser that arrives can show for itself.

    `is_signed`: the platform has signed the id. `visits` name the browser: what it kept from its first arrival, or what
    the page that it sent was given. `link` is the personal link that it holds, or a digest of that; see `link_proof`.
    """

    is_signed: bool = False
    visits: tuple[uuid.UUID, ...] = ()
    link: str = ""


@dataclass(frozen=True)
class Asking:
    """What else comes with an arrival: the answer to the link's question, where it comes from, the language chosen."""

    answer: str = ""
    network: str = ""
    is_new_browser: bool = True
    language: str = ""


def participant_arrive(
    *, open_link: OpenLink, person: str, session: str, proof: Proof, asking: Asking | None = None
) -> Participant:
    """Return the participant whom the platform calls `person`, created at the first arrival.

    Whoever arrives is told at once if no place is left: the participant is then over quota and asked for nothing. An id
    is no password: who comes back under one that is known shows that they are the one who came before.

    Raises:
        NotAllowedNow: the study does not recruit on a platform or has never been opened, the link is used up, or
            `person` is a label from an invitation list: whoever guesses one must not get that person's link.
        NotProven: somebody has arrived under this id, and nothing shows that it was the same person.
        TooMany: more came within an hour than the link lets in.
        ServiceError: the answer to the link's question is not one that is taken.
    """
    asking = asking or Asking()
    study = open_link.study
    refuse_no_platform(study)
    with transaction.atomic():
        study_lock(study_id=study.pk)
        key = id_key(person)
        participant = Participant.objects.select_related("study").filter(study=study, external_key=key).first()
        if participant is None:
            participant = _new_arrival(open_link, person, proof, asking)
        elif participant.origin != Participant.Origin.PROLIFIC:
            raise NotAllowedNow(_("This study takes nobody from Prolific by this id."))
        elif not _is_proven(participant, proof):
            raise NotProven(_("Somebody has started this study under your Prolific id in another browser."))
        _arrive(participant, session)
    return participant


def refuse_no_platform(study: Study) -> None:
    """Raise NotAllowedNow where a study takes nobody from a platform, or not yet."""
    if not study.recruitment.get("prolific") or study.state == Study.State.DRAFT:
        raise NotAllowedNow(_("This study takes nobody from Prolific at the moment."))


def link_proof(participant: Participant) -> str:
    """Return what a browser keeps to show that it held the participant's personal link; it does not tell the link."""
    return salted_hmac("annotation.link_proof", participant.token, algorithm="sha256").hexdigest()


def _new_arrival(open_link: OpenLink, person: str, proof: Proof, asking: Asking) -> Participant:
    if is_test_person(open_link, person):
        preview = {"origin": Participant.Origin.PROLIFIC, "kind": Participant.Kind.PREVIEW}
        return participants_number(study=open_link.study, external_ids=[person], **preview)[0]
    if not asking.is_new_browser and not open_link.shared_browsers:
        raise NotAllowedNow(
            _("Somebody has started in this browser already, under another id or before leaving the study.")
        )
    check_answer(open_link=open_link, answer=asking.answer)
    place_take(open_link=open_link, network=asking.network)
    origin = Participant.Origin.PROLIFIC
    values: dict[str, Any] = {"origin": origin, "open_link": open_link, "language": asking.language}
    if proof.visits:
        values["token"] = _visit_token(open_link.pk, proof.visits[-1], person)
    return participants_number(study=open_link.study, external_ids=[person], **values)[0]


def _is_proven(participant: Participant, proof: Proof) -> bool:
    if proof.is_signed or constant_time_compare(proof.link, link_proof(participant)):
        return True
    if constant_time_compare(proof.link, participant.token):
        return True
    link, known_as = participant.open_link_id, participant.external_id
    tokens = [_visit_token(link, visit, known_as) for visit in proof.visits] if link else []
    return any(constant_time_compare(token, participant.token) for token in tokens)


def _visit_token(open_link: int, visit: uuid.UUID, person: str) -> str:
    return visit_token(settings.SECRET_KEY, open_link, visit, id_key(person))


def _arrive(participant: Participant, session: str) -> None:
    if participant.withdrawn_at:
        return
    # Who has begun keeps an item to go on with; who has not needs one that is free.
    begun = participant.consented_at is not None
    is_over = participant.study.state == Study.State.CLOSED
    room = not is_over and quota_has_room(participant) and (begun or has_free_unit(participant))
    state = State(participant.platform_state)
    new_session = id_key(session) != id_key(participant.session_id)
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
    if twice := [key for key, times in Counter(map(id_key, ids)).items() if times > 1]:
        raise ServiceError(f"{len(twice)} ids are given more than once; give each person one line.")
    if study.state == Study.State.CLOSED:
        raise NotAllowedNow(f"{study} is closed, and closed is final: it takes no more participants.")
    with transaction.atomic():
        study_lock(study_id=study.pk)
        people = Participant.objects.filter(study=study).exclude(external_id="")
        known = set(people.values_list("external_key", flat=True))
        new = [known_as for known_as in ids if id_key(known_as) not in known]
        participants_number(study=study, external_ids=new, origin=Participant.Origin.INVITED)
        audit_log(user=user, action="participants_invite", study=study, made=len(new), known=len(ids) - len(new))
        by_key = {participant.external_key: participant for participant in people}
    return [by_key[id_key(known_as)] for known_as in ids]


def submissions_sync(*, study: Study, submissions: Sequence[Submission], user: User | None) -> Counter[str]:
    """Move participants to where the platform says they are, and return how many rows had which effect. Logged.

    A row counts for the participant's latest session only: an earlier one that was returned and followed by a new
    arrival says nothing about that.
    """
    effects: Counter[str] = Counter()
    with transaction.atomic():
        study_lock(study_id=study.pk)
        people = Participant.objects.filter(study=study, origin=Participant.Origin.PROLIFIC).exclude(external_id="")
        by_key = {participant.external_key: participant for participant in people}
        for submission in submissions:
            effects[_sync(by_key.get(id_key(submission.person)), submission)] += 1
        audit_log(user=user, action="prolific_sync", study=study, effects=dict(effects))
    return effects


def _sync(participant: Participant | None, submission: Submission) -> str:
    if participant is None:
        return "never arrived here"
    if submission.session and id_key(submission.session) != id_key(participant.session_id):
        return "an earlier session"
    if submission.event is None or not platform_move(participant=participant, event=submission.event):
        return "nothing to change"
    places_return(participant=participant)
    return submission.event.value
