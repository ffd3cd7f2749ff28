"""Keep drafts of written personas and submit them."""

import uuid

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.elicitation.outcomes import written_as_sent
from annotation.errors import NotAllowedNow, ServiceError, StaleVersion
from annotation.fields import LONGEST_WRITTEN, is_blank
from annotation.models import Assignment, Event, Persona
from annotation.services.handout import slots_create
from annotation.services.locks import study_lock
from annotation.services.log import event_log
from annotation.services.outputs import outputs_request
from annotation.services.screening import persona_screen
from annotation.services.text import storable_text
from annotation.services.touch import assignment_touch

MAX_PERSONA_LENGTH = LONGEST_WRITTEN


def persona_draft_save(*, assignment: Assignment, text: str, version: int, tab: uuid.UUID) -> Persona:
    """Save a draft exactly as typed and return the persona.

    `version` is the one the page has seen, `tab` names the page load. A page never conflicts with itself: when the
    answer to its last save was lost on the way, its version is old but its tab is the one that saved.

    Raises:
        StaleVersion: another tab saved a different text since; `current` is the persona as it stands.
        NotAllowedNow: the persona has been submitted.
        ServiceError: the text is longer than 2,000 characters, or holds what databases cannot store.
    """
    text = storable_text(text, most=MAX_PERSONA_LENGTH)
    with transaction.atomic():
        assignment_touch(assignment=assignment)
        persona = Persona.objects.get(pk=assignment.persona_id)
        if persona.submitted_at:
            raise NotAllowedNow(_("This persona has been submitted already and cannot be changed."))
        if persona.text == text and persona.draft_tab == tab:
            return persona
        if persona.draft_version != version and persona.draft_tab != tab and persona.text != text:
            raise StaleVersion(_("Another tab or device saved a different text."), current=persona)
        persona.text, persona.draft_tab = text, tab
        persona.draft_version += 1
        persona.draft_saved_at = timezone.now()
        persona.save(update_fields=["text", "draft_tab", "draft_version", "draft_saved_at"])
    return persona


def persona_submit(*, assignment: Assignment, text: str, version: int, tab: uuid.UUID) -> None:
    """Save the text, make it immutable, and request one output per arm in the same transaction.

    Raises:
        ServiceError: the text is blank or too long.
        StaleVersion, NotAllowedNow: as for `persona_draft_save`.
    """
    if is_blank(text):
        raise ServiceError(_("Write a sentence about a person first: the responses are made for that person."))
    with transaction.atomic():
        study_lock(study_id=assignment.participant.study_id)  # first of all, for the order in which outputs are placed
        persona = persona_draft_save(assignment=assignment, text=text, version=version, tab=tab)
        persona.submitted_at = timezone.now()
        persona.written_as = written_as_sent(source=persona.written_as, text=text, offered=persona.offered_text)
        persona.save(update_fields=["submitted_at", "written_as"])
        persona_screen(persona=persona, study=assignment.participant.study)
        outputs_request(persona=persona)
        slots_create(assignment=assignment)
        event_log(participant=assignment.participant, kind=Event.Kind.PERSONA_SUBMITTED, assignment=assignment)
