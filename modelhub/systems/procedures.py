"""Systems that take more than a prompt and a persona to their response: what is kept of that, and what they are asked.

The procedures and where they come from: `modelhub/prompting/procedures.py`.
"""

from collections.abc import Mapping
from typing import Any

from annotation.errors import ServiceError
from modelhub.engines.base import GenerationRequest
from modelhub.engines.stepwise import step_request
from modelhub.models import System
from modelhub.prompting.layouts import PersonaStyle, render_exemplars
from modelhub.prompting.procedures import Procedure, StepPlan, procedure_version, steps_of
from modelhub.systems.exemplar_pools import FrozenPool, nearest_exemplars


def procedure_described(name: str, *, pool: FrozenPool | None = None, shots: int = 0) -> dict[str, Any]:
    """Return what a system keeps of its procedure, {} for the empty name.

    Raises ServiceError for a name that is not known, and where a pool is missing or would not be used.
    """
    if not name:
        return {}
    if name not in set(Procedure):
        raise ServiceError(f"There is no procedure {name!r}. Known: {', '.join(Procedure)}.")
    if (name == Procedure.RETRIEVED_EXEMPLARS) != (pool is not None):
        raise ServiceError(
            f"{name} needs exemplars to retrieve from: --exemplars-from."
            if pool is None
            else f"{name} retrieves no exemplars: leave out --exemplars-from."
        )
    described: dict[str, Any] = {"name": str(name), "version": procedure_version(name)}
    if pool is not None:
        described |= {"from": pool.source, "persona": pool.persona, "shots": shots, "pool": pool.sha256}
    return described


def procedure_check(system: System) -> None:
    """Raise ServiceError if a system cannot follow its procedure."""
    name = system.procedure_name
    if not name:
        return
    if system.persona_style == PersonaStyle.NONE:
        raise ServiceError(
            f"{name} starts from the persona, and with the persona style {PersonaStyle.NONE} the system is shown none. "
            "Give another --persona-style."
        )
    if system.exemplars:
        raise ServiceError(f"{name} and few-shot exclude each other: leave out --few-shot, or --procedure.")
    if system.procedure.get("version") != procedure_version(name):
        raise ServiceError(
            f"System {system.name!r} was registered for version {system.procedure.get('version')} of {name}; this is "
            f"version {procedure_version(name)}. Register it under another name."
        )


def requests_per_output(system: System) -> int:
    """Return how many requests an output of the system takes."""
    return len(steps_of(system.procedure_name)) if system.procedure_name else 1


def with_procedure(system: System, request: GenerationRequest, *, answer_start: str) -> GenerationRequest:
    """Return what a system with a procedure is asked first, of the request that it would be asked without.

    Raises ServiceError if there is no persona, or the exemplars are not what they were.
    """
    if not request.persona.strip() or not request.prompt.strip():
        what = "persona" if request.prompt.strip() else "prompt"
        raise ServiceError(
            f"System {system.name!r} follows {system.procedure_name}, and there is no {what} to do it for."
        )
    procedure_check(system)
    if system.procedure_name == Procedure.RETRIEVED_EXEMPLARS:
        return _with_exemplars(system.procedure, request, style=system.persona_style)
    plan = StepPlan(system.procedure_name, request.prompt, request.persona, system.persona_style, answer_start)
    return step_request(request, plan, {})


def _with_exemplars(procedure: Mapping[str, Any], request: GenerationRequest, *, style: str) -> GenerationRequest:
    found = nearest_exemplars(
        sha256=procedure["pool"], shots=procedure["shots"], prompt=request.prompt, persona=request.persona
    )
    shown = render_exemplars([one.exemplar for one in found], style=style)
    taken = [{"row": one.exemplar["row"], "score": one.score} for one in found]
    step = {"step": "retrieval", "from": procedure["from"], "exemplars": taken}
    return GenerationRequest(
        rendered=shown + request.rendered, prompt=request.prompt, persona=request.persona,
        system_message=request.system_message, steps=(step,),
    )  # fmt: skip
