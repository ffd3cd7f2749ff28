"""Outputs for stored pairs, for tests."""

from modelhub.models import Generation, PairOutput, PreferencePair, System
from modelhub.personas.sources import persona_key
from modelhub.runs import run_start


def make_output(
    pair: PreferencePair, system: System, text: str = "", *, source: str = "none", persona: str = "", **fields: str
) -> PairOutput:
    """Store what a system answered to a pair, with how it was made."""
    run = run_start(stage="generate", arguments={})
    rendered = f"Prompt: {pair.prompt}\n{f'Persona: {persona}' if persona else ''}\nResponse:"
    generation = Generation.objects.create(
        run=run, system=system, text=text, rendered_prompt=rendered, finish_reason=fields.pop("finish", "stop"),
        prompt_tokens=20, completion_tokens=10, seconds=0.5,
    )  # fmt: skip
    return PairOutput.objects.create(
        pair=pair, system=system, source=source, persona=persona, persona_key=persona_key(persona), run=run,
        text=text or f"{system.name} answers row {pair.row}.", generation=generation, **fields,
    )  # fmt: skip
