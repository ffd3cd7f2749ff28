"""What is held in a study as a page shows it: the personas, and the outputs in an order that tells no arm."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Prefetch

from annotation.models import Output, PersonaFinding, PersonaHold, Study
from modelhub.screening.flags import Flag
from modelhub.screening.scan import ScannedText


@dataclass(frozen=True)
class HeldPersona:
    """A hold with its persona, what was found in it, and the texts where these are what is held."""

    hold: PersonaHold
    findings: tuple[PersonaFinding, ...]
    texts: tuple[ScannedText, ...]


def held_personas(study: Study, holds: Iterable[PersonaHold]) -> list[HeldPersona]:
    """Return the holds of a page with all that is to be looked at."""
    listed = list(holds)
    personas = [hold.persona_id for hold in listed]
    findings = PersonaFinding.objects.filter(persona__in=personas).order_by("pk")
    made = Output.objects.filter(persona__in=personas, state=Output.State.READY).order_by("key")
    outputs = list(made.prefetch_related(Prefetch("findings", to_attr="found")))
    return [
        HeldPersona(
            hold=hold,
            findings=tuple(one for one in findings if one.persona_id == hold.persona_id),
            texts=_texts(study, hold, [one for one in outputs if one.persona_id == hold.persona_id]),
        )
        for hold in listed
    ]


def _texts(study: Study, hold: PersonaHold, outputs: list[Output]) -> tuple[ScannedText, ...]:
    if hold.stage != PersonaHold.Stage.OUTPUTS:
        return ()
    return tuple(ScannedText(output.text, _flags(output)) for output in outputs)


def _flags(output: Output) -> tuple[Flag, ...]:
    return tuple(Flag(one.kind, one.detail) for one in output.__dict__["found"])
