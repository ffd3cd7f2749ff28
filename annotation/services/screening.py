"""Screen a persona as it is submitted: note what is found, and hold it back where the study says so."""

from annotation.models import Persona, PersonaFinding, PersonaHold, Study
from annotation.persona_screening import screen_text
from annotation.screening import HOLD, OFF, action_of, screening_of
from annotation.services.guards import guard_request
from annotation.services.holds import hold_place


def persona_screen(*, persona: Persona, study: Study) -> None:
    """Note what the rules find in a persona, hold it back, and ask a guard, as the study says.

    Call it in the transaction that submits the persona, so that nothing is made before it is held.
    """
    settings = screening_of(study)
    found = [finding for finding in screen_text(persona.text) if settings.of(finding.kind) != OFF]
    rows = [
        PersonaFinding(
            persona=persona, kind=finding.kind, detail=finding.detail, source=PersonaFinding.Source.RULE,
            action=action_of(settings.of(finding.kind)),
        )
        for finding in found
    ]  # fmt: skip
    PersonaFinding.objects.bulk_create(rows, ignore_conflicts=True)
    held = sorted({finding.kind for finding in found if settings.of(finding.kind) == HOLD})
    if held:
        hold_place(persona_id=persona.pk, stage=PersonaHold.Stage.PERSONA, reason=", ".join(held))
    if settings.guard != OFF:
        guard_request(persona=persona, blocks=settings.guard == HOLD)
