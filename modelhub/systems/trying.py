"""What a system is tried with when it is registered, so that no participant is the first to find out."""

from collections.abc import Callable, Mapping
from typing import cast

from annotation.services.personas import MAX_PERSONA_LENGTH
from modelhub.engines import RehearsingModule, engine_module
from modelhub.engines.rehearsal import Rehearsal, Rehearsed
from modelhub.models import System
from modelhub.prompting.layouts import PersonaStyle
from modelhub.systems.registering import Trying, engine_settings
from modelhub.systems.requests import generation_request

PROMPT = "How do I fall asleep faster?"
PERSONA = "The user is a nurse on night shifts and prefers short answers. "


def telling(say: Callable[[str], object]) -> Trying:
    """Return what `system_register` tries a system with; what was noticed is said, a line each.

    By how much an adapter changes its base's answers is written into the system.
    """

    def trying(system: System) -> Mapping[str, str]:
        tried = system_try(system)
        for warning in tried.warnings:
            say(f"Note: {warning}")
        system.adapter_probe = tried.probe.stored() if tried.probe else {}
        return tried.served

    return trying


def system_try(system: System) -> Rehearsed:
    """Try what a system, stored or not, will be asked, and return what was noticed.

    Raises ServiceError for what would fail every time. Nothing is loaded that takes long, and a server is sent one
    short prompt.
    """
    module = engine_module(system.engine)
    if not hasattr(module, "rehearse"):
        return Rehearsed()
    long = (PERSONA * (MAX_PERSONA_LENGTH // len(PERSONA) + 1))[:MAX_PERSONA_LENGTH].strip()
    asked = Rehearsal(
        short=generation_request(system, prompt=PROMPT, persona=PERSONA),
        long=generation_request(system, prompt=PROMPT, persona=long),
        bare=generation_request(system, prompt=PROMPT, persona=""),
        styles=f"{PersonaStyle.FIELD} (as tailored models were trained) or {PersonaStyle.FIRST_PERSON}",
    )
    return cast(RehearsingModule, module).rehearse(engine_settings(system), asked)
