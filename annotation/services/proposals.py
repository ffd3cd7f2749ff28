"""Keep what participants decide about a persona that is proposed to them; conditions.py proposes."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.errors import NotAllowedNow
from annotation.models import Assignment, Persona, PersonaProposal
from annotation.services.elicitation import BoxDraft, sentence_put
from annotation.services.touch import assignment_touch


def proposal_pending(persona: Persona) -> PersonaProposal | None:
    """Return the proposal that the participant has not decided about, if there is one."""
    return PersonaProposal.objects.filter(persona=persona, decision="").first()


def proposal_take(*, assignment: Assignment, decision: PersonaProposal.Decision, box: BoxDraft) -> None:
    """Make the proposal the draft, accepted or to be edited.

    Raises what `persona_draft_save` raises.
    """
    with transaction.atomic():
        pending = proposal_pending(assignment.persona)
        if pending is None:
            return
        sentence_put(assignment=assignment, sentence=pending.text, source=Persona.WrittenAs.PROPOSED, box=box)
        proposal_decide(assignment=assignment, decision=decision)


def proposal_decide(*, assignment: Assignment, decision: PersonaProposal.Decision) -> None:
    """Keep what the participant decided; the first decision stands.

    Raises:
        NotAllowedNow: the part cannot be worked on any more.
    """
    with transaction.atomic():
        assignment_touch(assignment=assignment)
        if Persona.objects.filter(pk=assignment.persona_id, submitted_at__isnull=False).exists():
            raise NotAllowedNow(_("This persona has been submitted already and cannot be changed."))
        pending = PersonaProposal.objects.filter(persona=assignment.persona_id, decision="")
        pending.update(decision=decision, decided_at=timezone.now())
