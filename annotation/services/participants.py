"""Create participants and move them through consent, instructions, practice and completion."""

import hashlib
from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.errors import NotAllowedNow, ServiceError
from annotation.fields import id_key
from annotation.keys import link_token
from annotation.languages import languages_of
from annotation.models import Event, OpenLink, Participant, Study, User
from annotation.recruitment import RecruitmentEvent
from annotation.services.entrance import link_has_room
from annotation.services.locks import study_lock
from annotation.services.log import audit_log, event_log
from annotation.services.platform import platform_move, quota_has_room
from annotation.study_texts import study_in

MAX_LINKS_AT_ONCE = 500


def participant_create(
    *, study: Study, kind: Participant.Kind = Participant.Kind.PERSON, open_link: OpenLink | None = None
) -> Participant:
    """Create one participant with the next free number of the study."""
    with transaction.atomic():
        return participants_number(study=study, external_ids=[""], kind=kind, open_link=open_link)[0]


def participants_create(*, study: Study, count: int, user: User | None) -> list[Participant]:
    """Create `count` personal links (1 to 500); logged.

    Raises:
        ServiceError: `count` is outside that range.
        NotAllowedNow: the study is closed.
    """
    if not 1 <= count <= MAX_LINKS_AT_ONCE:
        raise ServiceError(f"{count} links were asked for; ask for 1 to {MAX_LINKS_AT_ONCE} at a time.")
    refuse_closed(study)
    with transaction.atomic():
        created = participants_number(study=study, external_ids=[""] * count)
        audit_log(user=user, action="participants_create", study=study, first=created[0].code, last=created[-1].code)
    return created


def participant_consent(*, participant: Participant, language: str = "") -> None:
    """Record agreement to the consent text as it stands in this language; a second click changes nothing.

    The language, by default the study's first, is fixed with it.

    Nothing is recorded either where the study's quota, or the link they came by, has been filled since the page was
    opened.
    """
    with transaction.atomic():
        study_lock(study_id=participant.study_id)
        if not (quota_has_room(participant) and link_has_room(participant)):
            return
        fresh = _staying(participant).filter(consented_at__isnull=True)
        language = language or languages_of(participant.study)[0]
        text = consent_hash(study_in(participant.study, language))
        if fresh.update(consented_at=timezone.now(), declined_at=None, consent_hash=text, language=language):
            event_log(participant=participant, kind=Event.Kind.CONSENTED)


def participant_language_choose(*, participant: Participant, language: str) -> None:
    """Keep the language that a participant chose; once they have consented it stays as it is.

    Raises:
        ServiceError: the study is not in that language.
    """
    languages = languages_of(participant.study)
    if language not in languages:
        raise ServiceError(
            _("This study is not in the language “%(language)s”; choose one of %(languages)s.")
            % {"language": language[:20], "languages": ", ".join(languages)}
        )
    with transaction.atomic():
        _staying(participant).filter(consented_at__isnull=True).update(language=language)


def participant_decline(*, participant: Participant) -> None:
    """Record that the person does not agree. They may still change their mind."""
    with transaction.atomic():
        fresh = _staying(participant).filter(consented_at__isnull=True, declined_at__isnull=True)
        if fresh.update(declined_at=timezone.now()):
            platform_move(participant=participant, event=RecruitmentEvent.CONSENT_DECLINED)
            event_log(participant=participant, kind=Event.Kind.DECLINED)


def participant_reconsider(*, participant: Participant) -> None:
    """Bring somebody who declined back to the consent page."""
    with transaction.atomic():
        if _staying(participant).filter(consented_at__isnull=True).update(declined_at=None):
            platform_move(participant=participant, event=RecruitmentEvent.RECONSIDERS)


def participant_instructed(*, participant: Participant) -> None:
    """Record that the instructions have been read."""
    with transaction.atomic():
        fresh = _staying(participant).filter(instructed_at__isnull=True)
        if fresh.update(instructed_at=timezone.now()):
            event_log(participant=participant, kind=Event.Kind.INSTRUCTED)


def participant_practised(*, participant: Participant, index: int) -> None:
    """Count practice item `index` (from 0) as done, once."""
    with transaction.atomic():
        here = _staying(participant).filter(practice_done=index)
        if here.update(practice_done=index + 1):
            event_log(participant=participant, kind=Event.Kind.PRACTISED)


def participant_complete(*, participant: Participant) -> None:
    """Mark the whole study as finished, once."""
    with transaction.atomic():
        fresh = _staying(participant).filter(completed_at__isnull=True)
        if fresh.update(completed_at=timezone.now()):
            platform_move(participant=participant, event=RecruitmentEvent.COMPLETED)
            event_log(participant=participant, kind=Event.Kind.COMPLETED)


def consent_hash(study: Study) -> str:
    """Return the SHA-256 that names the version of the consent text."""
    return hashlib.sha256(study.consent.encode()).hexdigest()


def participants_number(*, study: Study, external_ids: list[str], **values: Any) -> list[Participant]:
    """Create a participant for each external id ("" where there is none), numbered in that order.

    Call it inside `atomic()`; it takes the study's turn.
    """
    study_lock(study_id=study.pk)
    last = Participant.objects.filter(study=study).aggregate(last=Max("number"))["last"] or 0
    return Participant.objects.bulk_create(
        Participant(study=study, number=number, external_id=external_id, external_key=id_key(external_id), **values)
        for number, external_id in enumerate(external_ids, start=last + 1)
    )


def participant_link_replace(*, participant: Participant, user: User | None) -> None:
    """Give a participant a new link; the old one leads nowhere from now on. Logged, without the link.

    Raises:
        NotAllowedNow: the participant's data has been erased.
    """
    with transaction.atomic():
        there = Participant.objects.filter(pk=participant.pk, erased_at__isnull=True)
        if not there.update(token=link_token()):
            raise NotAllowedNow(f"{participant.code} has been erased and has no link any more.")
        audit_log(user=user, action="participant_link_replace", study=participant.study, participant=participant.code)


def _staying(participant: Participant) -> QuerySet[Participant]:
    """The participant's row, as long as they have not left the study: a late request must not write to it then."""
    return Participant.objects.filter(pk=participant.pk, withdrawn_at__isnull=True)


def refuse_closed(study: Study) -> None:
    """Raise NotAllowedNow where a study takes no more participants, ever."""
    if study.state == Study.State.CLOSED:
        raise NotAllowedNow(f"{study} is closed, and closed is final: it takes no more participants.")
