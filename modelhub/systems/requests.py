"""What an engine is asked for a prompt and a persona, in the way the system was registered with."""

from annotation.errors import ServiceError
from annotation.models import Output
from modelhub.engines import IMPORTED
from modelhub.engines.base import GenerationRequest
from modelhub.models import System
from modelhub.prompting.layouts import PersonaStyle, render_exemplars, render_prompt, system_message
from modelhub.prompting.persona_text import persona_as_data
from modelhub.systems.procedures import with_procedure


def generation_request(system: System, *, prompt: str, persona: str, answer_start: str = "") -> GenerationRequest:
    """Return the request; a system that is shown no personas gets none, whatever is given.

    A persona is data: here, before any style puts it into words of its own, and not in the layouts, in which models
    are trained too, and whose versions are part of every system's fingerprint. Raises ServiceError where a system's
    procedure cannot be followed.
    """
    shown = "" if system.persona_style == PersonaStyle.NONE else persona_as_data(persona)
    style = system.persona_style
    exemplars = render_exemplars(system.exemplars, style=style)
    asked = render_prompt(prompt=prompt, persona=shown, style=style, answer_start=answer_start)
    message = system_message(persona=shown, style=style)
    request = GenerationRequest(
        rendered=exemplars + asked, prompt=prompt, persona=shown, system_message=message, shared=len(exemplars)
    )
    return with_procedure(system, request, answer_start=answer_start) if system.procedure else request


def output_request(system: System, output: Output) -> GenerationRequest:
    """Return what a system is asked for an output of a study.

    Systems are asked in words alone, so an image is what its description says, as for participants who cannot see it.
    """
    item = output.persona.item
    prompt = f"{item.prompt}\n\n[Image: {item.image['alt']}]" if item.image else item.prompt
    return generation_request(system, prompt=prompt, persona=output.persona.text, answer_start=item.answer_start)


def check_can_be_asked(system: System, *, task: str) -> None:
    """Raise ServiceError if a system cannot be given a task of its own wording, such as to judge.

    Such a task takes the model and how it decodes. A procedure answers a person: it would be left out without a word.
    """
    if system.engine == IMPORTED:
        raise ServiceError(f"System {system.name!r} has imported texts only: it can {task} nothing. Register a model.")
    if system.procedure:
        raise ServiceError(
            f"System {system.name!r} follows {system.procedure_name} to answer people, which is no way to {task}. "
            "Register the same model without --procedure, and name that."
        )
