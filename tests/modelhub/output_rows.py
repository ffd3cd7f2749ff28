"""Outputs for stored pairs, for tests."""

from collections.abc import Iterable

from modelhub.models import Generation, PairOutput, PreferencePair, Run, System
from modelhub.queries.persona_sources import persona_key
from modelhub.runs.lifecycle import run_start


def make_output(
    pair: PreferencePair, system: System, source: str = "none", *, text: str = "", persona: str = "",
    finish: str = "stop", run: Run | None = None,
) -> PairOutput:  # fmt: skip
    """Store what a system answered to a pair, for a persona that suits the source, with how it was made."""
    run = run or run_start(stage="generate", arguments={})
    if not persona and source != "none":
        persona = f"The user is of {source} and prefers row {pair.row}."
    rendered = f"Prompt: {pair.prompt}\n{f'Persona: {persona}' if persona else ''}\nResponse:"
    generation = Generation.objects.create(
        run=run, system=system, text=text, rendered_prompt=rendered, finish_reason=finish,
        prompt_tokens=20, completion_tokens=10, seconds=0.5,
    )  # fmt: skip
    return PairOutput.objects.create(
        pair=pair, system=system, source=source, persona=persona, persona_key=persona_key(persona), run=run,
        text=text or f"{system.name} answers row {pair.row} for {source}.", generation=generation,
    )  # fmt: skip


def make_outputs(pairs: Iterable[PreferencePair], system: System, source: str = "none") -> list[PairOutput]:
    """Store what a system answers to the prompts of several pairs, in one run."""
    run = run_start(stage="generate", arguments={})
    return [make_output(pair, system, source, run=run) for pair in pairs]
