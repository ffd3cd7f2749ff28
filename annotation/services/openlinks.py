"""Links that many may follow: made and changed by researchers, and followed by whoever has one."""

import uuid

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from annotation.errors import NotAllowedNow
from annotation.keys import visit_token
from annotation.models import OpenLink, Participant, Study, User
from annotation.services.entrance import Terms, check_answer, check_terms, place_take, terms_fields
from annotation.services.locks import study_lock
from annotation.services.log import audit_log
from annotation.services.participants import participants_number, refuse_closed


def open_link_create(*, study: Study, terms: Terms, user: User | None) -> OpenLink:
    """Create a link that people may follow on these terms; logged.

    Raises:
        ServiceError: the terms let nobody in, or have a question without an answer.
        NotAllowedNow: the study is closed.
    """
    check_terms(terms)
    refuse_closed(study)
    with transaction.atomic():
        link = OpenLink.objects.create(study=study, **terms_fields(terms))
        audit_log(user=user, action="open_link_create", study=study, open_link=link.pk, cap=terms.cap)
    return link


def open_link_change(*, open_link: OpenLink, terms: Terms, user: User | None) -> None:
    """Let a link take people on other terms from now on; who has a place keeps it. Logged.

    Raises:
        ServiceError: the terms let nobody in, or have a question without an answer.
    """
    check_terms(terms)
    fields = terms_fields(terms)
    changed = sorted(name for name, value in fields.items() if value != getattr(open_link, name))
    with transaction.atomic():
        OpenLink.objects.filter(pk=open_link.pk).update(**fields)
        audit_log(user=user, action="open_link_change", study=open_link.study, open_link=open_link.pk, changed=changed)


def open_link_deactivate(*, open_link: OpenLink, user: User | None) -> None:
    """Stop an open link from letting more people in; who joined by it goes on. Logged."""
    with transaction.atomic():
        OpenLink.objects.filter(pk=open_link.pk).update(is_active=False)
        audit_log(user=user, action="open_link_deactivate", study=open_link.study, open_link=open_link.pk)


def joined_before(*, open_link: OpenLink, visit: uuid.UUID) -> Participant | None:
    """Return who started in the browser that has this visit, as long as their link is the one that it led to."""
    token = visit_token(settings.SECRET_KEY, open_link.pk, visit)
    return Participant.objects.select_related("study").filter(token=token, erased_at__isnull=True).first()


def open_link_join(
    *, open_link: OpenLink, visit: uuid.UUID, answer: str = "", network: str = "", language: str = ""
) -> Participant:
    """Return the participant behind a click on "Start": a new one, or the one who started in the same `visit`.

    `visit` names a browser, `network` where it asks from; `answer` is to the link's question, and `language`
    the one that they chose, among those of the study.

    Raises:
        ServiceError: the answer is not one that is taken.
        NotAllowedNow: the link is switched off, all its places are taken, the study is not open, or only a recruiting
            platform sends people to it.
        TooMany: more came within an hour than the link lets in.
    """
    if found := joined_before(open_link=open_link, visit=visit):
        return found
    if open_link.study.state != Study.State.OPEN:
        raise NotAllowedNow(_("This study is not open at the moment."))
    if open_link.study.recruitment.get("prolific"):
        raise NotAllowedNow(_("This study takes people who come from Prolific. Open it from there."))
    check_answer(open_link=open_link, answer=answer)
    with transaction.atomic():
        study_lock(study_id=open_link.study_id)
        if found := joined_before(open_link=open_link, visit=visit):
            return found
        place_take(open_link=open_link, network=network)
        token = visit_token(settings.SECRET_KEY, open_link.pk, visit)
        values = {"open_link": open_link, "origin": Participant.Origin.OPEN_LINK, "token": token, "language": language}
        return participants_number(study=open_link.study, external_ids=[""], **values)[0]
