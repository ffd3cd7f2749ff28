"""Whom a reminder can reach: people of an invitation list whose id is an e-mail address."""

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from annotation.models import Participant, Study

NOT_BEGUN, NOT_FINISHED = "not_begun", "not_finished"


def to_remind(study: Study, whom: str) -> list[Participant]:
    """Return who has not begun, or has begun and not finished, by number. Whoever declined or left is in neither."""
    invited = study.participants.filter(
        kind=Participant.Kind.PERSON,
        origin=Participant.Origin.INVITED,
        consented_at__isnull=whom == NOT_BEGUN,
        completed_at__isnull=True,
        declined_at__isnull=True,
        withdrawn_at__isnull=True,
        screened_out_at__isnull=True,
        excluded_at__isnull=True,
        erased_at__isnull=True,
    ).order_by("number")
    return [one for one in invited if _is_address(one.external_id)]


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
