"""What a study does with what is found in personas and outputs: its section `screening`, with every default."""

from dataclasses import dataclass

from django.conf import settings as site
from django.utils.translation import get_language, gettext_noop
from django.utils.translation import gettext as _

from annotation.fields import LONGEST_WRITTEN
from annotation.models import PersonaFinding, Study
from annotation.persona_advice import Advice, persona_advice
from annotation.persona_screening import screen_text

ADVISE, HOLD, OFF, FLAG = "advise", "hold", "off", "flag"

_HINTS = {
    "instructions": gettext_noop(
        "Seems to speak to the model that answers. Describe the person: what they are like and prefer."
    ),
    "identifying": gettext_noop("Seems to tell who somebody is. Leave out names, addresses, numbers and accounts."),
    "harmful": gettext_noop("Seems to hold something harmful. Describe the person without it, if you can."),
}
_LOOKED_AT = gettext_noop("The researchers look at such texts before responses are made.")


@dataclass(frozen=True)
class ScreeningSettings:
    """What is done with a kind of finding in personas, with a guard's verdict, and with findings in outputs."""

    personas: dict[str, str]
    guard: str
    outputs: str

    def of(self, kind: str) -> str:
        """Return what is done about a kind of finding in a persona."""
        return self.personas.get(kind, ADVISE)


def screening_of(study: Study) -> ScreeningSettings:
    """Return what the study file says, or what holds where it says nothing."""
    said = study.screening
    return ScreeningSettings(said.get("personas", {}), said.get("guard", OFF), said.get("outputs", HOLD))


def action_of(setting: str) -> PersonaFinding.Action:
    """Return what is noted of a finding that is acted on so."""
    return PersonaFinding.Action.HELD if setting == HOLD else PersonaFinding.Action.ADVISED


def writing_advice(study: Study, text: str) -> list[Advice]:
    """Return all hints for a persona as it stands; those of the screening only where something was found.

    What is longer than a persona may be is refused anyway, and would take minutes to look through.
    """
    text, settings = text[:LONGEST_WRITTEN], screening_of(study)
    found = {finding.kind: finding.detail for finding in screen_text(text) if settings.of(finding.kind) != OFF}
    return [*persona_advice(text), *(_hint(kind, detail, settings) for kind, detail in found.items())]


def _hint(kind: str, detail: str, settings: ScreeningSettings) -> Advice:
    later = _(_LOOKED_AT) if settings.of(kind) == HOLD else ""
    known = detail if get_language() in (None, site.LANGUAGE_CODE) else ""  # the rules know English only
    return Advice(f"screening-{kind}", False, " ".join(filter(None, [_(_HINTS[kind]), known, later])))
