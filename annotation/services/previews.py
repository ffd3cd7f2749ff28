"""Let researchers walk their study as a participant does, and clear away what that left in a draft."""

from django.db import transaction

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Output, Participant, Persona, Study, User
from annotation.protocol import problems_before_preview
from annotation.services.erasure import data_erase
from annotation.services.log import audit_log
from annotation.services.outputs import outputs_request_missing
from annotation.services.participants import participant_create
from annotation.services.tallies import tallies_drop


def preview_start(*, study: Study, user: User | None) -> Participant:
    """Create a preview of the study; logged. It sees real pages and real outputs, and is left out of everything.

    In a draft it asks for the outputs that opening would ask for.

    Raises:
        NotAllowedNow: the study is closed.
        ServiceError: the draft lacks what opening would need (all reasons at once).
    """
    if study.state == Study.State.CLOSED:
        raise NotAllowedNow(f"{study} is closed, and closed is final: it cannot be previewed any more.")
    problems = problems_before_preview(study) if study.state == Study.State.DRAFT else []
    if problems:
        raise ServiceError("\n".join([f"{study} cannot be previewed yet:", *(f"- {one}" for one in problems)]))
    with transaction.atomic():
        if study.state == Study.State.DRAFT:
            outputs_request_missing(study=study)
        participant = participant_create(study=study, kind=Participant.Kind.PREVIEW)
        audit_log(user=user, action="preview_start", study=study, participant=participant.code)
    return participant


def previews_discard(*, study: Study) -> None:
    """Remove every preview of a draft with all it did, inside the caller's transaction: a trial binds nobody.

    Raises:
        NotAllowedNow: the study is no draft, so nothing may be removed.
    """
    if study.state != Study.State.DRAFT:
        raise NotAllowedNow(f"{study} is {study.state}; previews are removed from drafts only.")
    previews = study.participants.filter(kind=Participant.Kind.PREVIEW)
    for preview in previews:
        data_erase(preview)
    # Personas that another preview rated had to stay until that one was gone too.
    personas = Persona.objects.filter(author__in=previews)
    Output.objects.filter(persona__in=personas).delete()
    personas.delete()
    previews.delete()
    tallies_drop(study=study)  # previews alone had any, and the draft may be about to change
