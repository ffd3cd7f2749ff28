"""What judges said of outputs for pairs, for tests."""

from collections.abc import Sequence

from modelhub.models import Generation, Judgement, PairOutput, Run, System
from modelhub.prompting.output_judging import RUBRICS
from modelhub.runs.lifecycle import run_start

RUBRIC = RUBRICS["direct"]
# What a judge says in the orders base_first and test_first.
VERDICTS = {"win": "BA", "loss": "AB", "tie": "AA", "unreadable": "A?"}


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
