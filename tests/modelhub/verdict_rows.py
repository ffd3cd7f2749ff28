"""Judges' verdicts on inferred personas, for the tests of the pages and of the results."""

from modelhub.models import (
    Generation,
    InferredPersona,
    PersonaCheck,
    PersonaComparison,
    PersonaVerdict,
    PreferencePair,
    RetrievedPersona,
    Run,
    System,
)
from modelhub.prompting.persona_judging import ACCURACY_RUBRIC, COMPARISON_RUBRIC
from modelhub.runs.lifecycle import run_start

ORDERS = (PersonaVerdict.Order.AS_IS, PersonaVerdict.Order.SWAPPED)


def add_checks(persona: InferredPersona, judge: System, outcome: str, *, run: Run | None = None) -> None:
    """Store what the judge said in both orders: `+` right, `-` wrong, `?` unscored, a space for not asked."""
    run = run or run_start(stage="check_personas", arguments={})
    for order, right in zip(ORDERS, outcome, strict=True):
        if right == " ":
            continue
        explained = "A" if (persona.direction == "chosen") == (order == "as_is") else "B"
        other = "B" if explained == "A" else "A"
        verdict = {"+": explained, "-": other, "?": ""}[right]
        PersonaCheck.objects.create(
            persona=persona, judge=judge, rubric=ACCURACY_RUBRIC, order=order, verdict=verdict,
            reason="" if verdict else "It declares no verdict.", generation=_said(run, judge, verdict), run=run,
        )  # fmt: skip


def add_comparison(
    chosen: InferredPersona, rejected: InferredPersona, judge: System, outcome: str, *, run: Run | None = None
) -> None:
    """Store which persona the judge found better in both orders: `c`, `r`, `?` unscored, a space for not asked."""
    run = run or run_start(stage="compare_personas", arguments={})
    for order, side in zip(ORDERS, outcome, strict=True):
        if side == " ":
            continue
        verdict = "" if side == "?" else "A" if (side == "c") == (order == "as_is") else "B"
        PersonaComparison.objects.create(
            chosen=chosen, rejected=rejected, judge=judge, rubric=COMPARISON_RUBRIC, order=order, verdict=verdict,
            reason="" if verdict else "It declares no verdict.", generation=_said(run, judge, verdict), run=run,
        )  # fmt: skip


def add_retrieved(pair: PreferencePair, source: PreferencePair, rank: int, score: float | None = None) -> None:
    """Store that `source` was found for `pair`."""
    run = run_start(stage="retrieve_personas", arguments={})
    RetrievedPersona.objects.create(pair=pair, source=source, retriever="imported", rank=rank, score=score, run=run)


def _said(run: Run, judge: System, verdict: str) -> Generation:
    text = f"Because it fits.\nVerdict: {verdict}" if verdict else "Both would do."
    return Generation.objects.create(run=run, system=judge, text=text, finish_reason="stop")
