"""Outputs for pairs and what judges said of them, for the tests of judging."""

from collections.abc import Iterable, Sequence

from modelhub.judging.outputs import RUBRICS
from modelhub.models import Generation, Judgement, PairOutput, PreferencePair, Run, System
from modelhub.personas.sources import persona_key
from modelhub.runs import run_start

RUBRIC = RUBRICS["direct"]
# What a judge says in the orders base_first and test_first.
VERDICTS = {"win": "BA", "loss": "AB", "tie": "AA", "unreadable": "A?"}


def make_output(
    pair: PreferencePair,
    system: System,
    source: str = "none",
    *,
    persona: str = "",
    text: str = "",
    run: Run | None = None,
) -> PairOutput:
    """Store what a system answers to a pair's prompt."""
    if not persona and source != "none":
        persona = f"The user is of {source} and prefers row {pair.row}."
    return PairOutput.objects.create(
        system=system, pair=pair, source=source, persona=persona, persona_key=persona_key(persona),
        text=text or f"{system.name} answers row {pair.row} for {source}.",
        run=run or run_start(stage="generate", arguments={}),
    )  # fmt: skip


def make_outputs(pairs: Iterable[PreferencePair], system: System, source: str = "none") -> list[PairOutput]:
    """Store what a system answers to the prompts of several pairs."""
    run = run_start(stage="generate", arguments={})
    return [make_output(pair, system, source, run=run) for pair in pairs]


def add_judgements(
    base: Sequence[PairOutput], test: Sequence[PairOutput], judge: System, metric: str, outcomes: Sequence[str],
    *, rubric: str = RUBRIC, run: Run | None = None,
) -> None:  # fmt: skip
    """Store verdicts in both orders that come to the outcomes: win, tie, loss or unreadable."""
    run = run or run_start(stage="judge", arguments={})
    made = [
        Judgement(
            base=first, test=second, metric=metric, judge=judge, rubric=rubric, order=order,
            verdict="" if said == "?" else said, reason="No verdict is declared." if said == "?" else "", run=run,
        )
        for first, second, outcome in zip(base, test, outcomes, strict=True)
        for order, said in zip(Judgement.Order.values, VERDICTS[outcome], strict=True)
    ]  # fmt: skip
    generations = Generation.objects.bulk_create(
        Generation(run=run, system=judge, text=_said(one.verdict), finish_reason="stop") for one in made
    )
    for one, generation in zip(made, generations, strict=True):
        one.generation = generation
    Judgement.objects.bulk_create(made)


def _said(verdict: str) -> str:
    return f"Because it is.\nVerdict: {verdict}" if verdict else "Both would do."


def outcomes(win: int, tie: int, loss: int, unreadable: int = 0) -> list[str]:
    """Return as many outcomes of each kind."""
    return ["win"] * win + ["tie"] * tie + ["loss"] * loss + ["unreadable"] * unreadable
