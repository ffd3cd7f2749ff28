"""What a system is tried with when it is registered, so that no participant is the first to find out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from annotation.services.personas import MAX_PERSONA_LENGTH
from modelhub.engines import RehearsingModule, engine_module
from modelhub.engines.base import EngineError, GenerationRequest
from modelhub.engines.probing import AdapterProbe
from modelhub.engines.rehearsal import Rehearsal, Rehearsed
from modelhub.engines.stepwise import step_request
from modelhub.models import System
from modelhub.prompting.layouts import PersonaStyle
from modelhub.prompting.procedures import RESPONSE, steps_of
from modelhub.systems.registering import Trying, engine_settings
from modelhub.systems.requests import generation_request

PROMPT = "How do I fall asleep faster?"
# What a model may have said by a step of a procedure.
MADE = {
    "rubric": "- It is short.\n- It fits sleeping by day.\n- It names one thing to try tonight.",
    "draft": "Keep the room dark and cool, leave the telephone outside, and go to bed at the same hour every day.",
    "feedback": "- Say it in fewer words.\n- The hour is that of a day off: speak of sleep after a night shift.",
}
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
    short prompt, or one for each request that an output takes.
    """
    module = engine_module(system.engine)
    if not hasattr(module, "rehearse"):
        return Rehearsed()
    settings = engine_settings(system)
    steps = steps_of(system.procedure_name) if system.procedure else (RESPONSE,)
    served: Mapping[str, str] = {}
    probe: AdapterProbe | None = None
    warnings: dict[str, None] = {}  # in their order, each once
    for number, step in enumerate(steps):
        try:
            tried = cast(RehearsingModule, module).rehearse(settings, _rehearsal(system, steps[:number]))
        except EngineError as error:
            raise EngineError(f"{system.procedure_name}, at the {step}: {error}" if number else str(error)) from error
        warnings |= dict.fromkeys(tried.warnings)
        served, probe = served or tried.served, probe or tried.probe
    return Rehearsed(list(warnings), served, probe)


def _rehearsal(system: System, before: Sequence[str]) -> Rehearsal:
    """Return what is tried of the request that follows on these steps."""
    long = (PERSONA * (MAX_PERSONA_LENGTH // len(PERSONA) + 1))[:MAX_PERSONA_LENGTH].strip()
    short = _asked(system, PERSONA, before)
    return Rehearsal(
        short=short,
        long=_asked(system, long, before),
        bare=replace(short, system_message=""),
        styles=f"{PersonaStyle.FIELD} (as tailored models were trained) or {PersonaStyle.FIRST_PERSON}",
    )


def _asked(system: System, persona: str, before: Sequence[str]) -> GenerationRequest:
    request = generation_request(system, prompt=PROMPT, persona=persona)
    if request.plan is None:
        return request
    return step_request(request, request.plan, {step: MADE[step] for step in before})
