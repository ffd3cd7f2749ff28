"""Make the bots of a rehearsal."""

from django.db import transaction

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Participant, Study, User
from annotation.protocol import problems_before_preview
from annotation.services.log import audit_log
from annotation.services.outputs import outputs_request_missing
from annotation.services.participants import participants_number

MOST_BOTS = 200


def rehearsal_refusal(study: Study) -> list[str]:
    """Return why bots cannot take the study now; nothing where they can.

    In a draft they are previews, and go with it when it opens. In an open study they are bots, kept apart from people.
    """
    if study.state == Study.State.DRAFT:
        return problems_before_preview(study)
    return [] if study.state == Study.State.OPEN else [f"{study} is {study.state}; bots take a draft or an open study."]


def rehearsal_participants(*, study: Study, count: int, user: User | None) -> list[Participant]:
    """Create the bots, 1 to 200; logged. In a draft the outputs are asked for that opening would ask for.

    Raises:
        NotAllowedNow: the study is neither a draft that could be opened nor open.
        ServiceError: `count` is outside that range.
    """
    if not 1 <= count <= MOST_BOTS:
        raise ServiceError(f"{count} bots were asked for; ask for 1 to {MOST_BOTS}.")
    if refusal := rehearsal_refusal(study):
        raise NotAllowedNow("\n".join([f"{study} cannot be rehearsed yet:", *(f"- {one}" for one in refusal)]))
    is_draft = study.state == Study.State.DRAFT
    kind = Participant.Kind.PREVIEW if is_draft else Participant.Kind.BOT
    with transaction.atomic():
        if is_draft:
            outputs_request_missing(study=study)
        bots = participants_number(study=study, external_ids=[""] * count, kind=kind)
        audit_log(user=user, action="rehearsal_start", study=study, bots=count)
    return bots
