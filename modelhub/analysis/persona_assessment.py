"""Inferred personas assessed by people: chosen against rejected.

The unit is the preference pair. Where raters count as fixed, their answers are averaged per persona first, and results
speak of other preference pairs. Where they are a sample, rows are what one rater gave to both personas of a pair, and
results speak of other raters too: pairs and raters are crossed, as participants and prompts are.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from annotation.models import Aspect
from modelhub.analysis.answers import Answer, Question
from modelhub.analysis.data import CHOSEN, REJECTED, Data
from modelhub.analysis.persona_accuracy import accuracy_report, by_inferring_system, by_stratum
from modelhub.results.base import Interval
from modelhub.results.comparison import DirectionsCompared, PairedReport, Unit
from modelhub.results.persona import AspectAssessment, DirectionMean, DirectionsGroup, PersonaResults
from modelhub.stats.crossed import Cells, Spread, mean_spread
from modelhub.stats.effects import PairedRating
from modelhub.stats.paired import paired_report
from modelhub.stats.ratings import FloatArray
from modelhub.stats.winrate import Verdict

UNIT = "preference pair"
FIXED = "The raters are fixed: the intervals speak of other preference pairs, not of other raters."
SAMPLED = "The raters are a sample: intervals and tests speak of other preference pairs and of other raters."
# What a paired report says of participants is about preference pairs here, and of prompts about raters.
_CODES = {
    "single_participant": "single_pair",
    "single_prompt": "single_rater",
    "no_shared_prompts": "raters_fixed",
    "unstable": "unstable_pairs",
    **{f"{why}_{unit}_to_reject_at_05": f"{why}_{here}_to_reject_at_05" for why in ("too_few", "too_many_tied")
       for unit, here in (("participants", "pairs"), ("prompts", "raters"))},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Given:
    """What was given to one persona on one aspect: by one rater, or by all of them on average."""

    persona: str
    item: str
    condition: str  # what besides the direction tells the personas of a pair apart
    direction: str
    rater: str
    value: Fraction


def persona_report(data: Data, verdicts: Sequence[Verdict], *, seed: int) -> PersonaResults:
    """Return chosen against rejected for every question on personas, and the accuracy of picks."""
    return PersonaResults(
        raters="sampled" if data.raters_sampled else "fixed",
        caveat=SAMPLED if data.raters_sampled else FIXED,
        aspects={question.key: _aspect(data, question, seed) for question in data.of_kind(Aspect.Kind.PERSONA)},
        accuracy=accuracy_report(data, verdicts),
    )


def _aspect(data: Data, question: Question, seed: int) -> AspectAssessment:
    answers = [answer for answer in data.main if answer.aspect == question.key]
    margin = data.declared.get("margin", {}).get(question.key)

    def report(some: Sequence[Answer], margin: float | None = None) -> DirectionsGroup:
        return _compared(data, question, _given(data, question, some), margin=margin, seed=seed)

    return AspectAssessment(
        measure=_measure(question),
        **dict(report(answers, margin)),
        by_stratum=by_stratum(data, answers, report),
        by_inferring_system=by_inferring_system(data, answers, report),
    )


def _measure(question: Question) -> Literal["mean", "share"]:
    return "share" if question.is_share else "mean"


def _given(data: Data, question: Question, answers: Iterable[Answer]) -> list[_Given]:
    """Return what every persona whose direction is known got: by rater where these are sampled, else their mean."""
    values: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    items: dict[str, str] = {}
    for answer in answers:
        if question.has_mean and answer.persona in data.origins:
            values[answer.persona, answer.participant if data.raters_sampled else ""].append(
                question.score(answer.value)
            )
            items[answer.persona] = answer.item
    found = []
    for (persona, rater), own in values.items():
        origin = data.origins[persona]
        condition = f"{origin.source}\n{origin.inferring_system}"
        found.append(_Given(persona, items[persona], condition, origin.direction, rater, Fraction(sum(own), len(own))))
    return found


def _compared(
    data: Data, question: Question, given: Sequence[_Given], *, margin: float | None, seed: int
) -> DirectionsGroup:
    cells: defaultdict[tuple[str, str, str], dict[str, Fraction]] = defaultdict(dict)
    for one in given:
        cells[one.item, one.condition, one.rater][one.direction] = one.value
    pairs = [
        PairedRating(
            item, rater if data.raters_sampled else f"{item}\n{condition}", base=cell[REJECTED], test=cell[CHOSEN]
        )
        for (item, condition, rater), cell in cells.items()
        if CHOSEN in cell and REJECTED in cell
    ]
    span = float(question.score(question.maximum) - question.score(question.minimum))
    report = paired_report(pairs, margin=margin, span=span, seed=seed)
    alone = data.raters_sampled and len(pairs) < len(cells)
    return DirectionsGroup(
        chosen=_side(data, question, given, CHOSEN),
        rejected=_side(data, question, given, REJECTED),
        comparison=_of_pairs(report, question, data.raters_sampled, alone=alone),
    )


def _of_pairs(report: PairedReport, question: Question, sampled: bool, *, alone: bool) -> DirectionsCompared:
    """Return a paired report in words of preference pairs and raters; `alone` if some rated one of two personas."""
    if not question.has_mean:
        report.reasons |= dict.fromkeys(report.reasons, "no_mean_of_categories")
    report.reasons = {name: _CODES.get(code, code) for name, code in report.reasons.items()}
    report.warnings = [_CODES.get(code, code) for code in report.warnings]
    report.warnings += ([] if sampled else ["raters_fixed"]) + (["raters_of_one_persona_left_out"] if alone else [])
    over: list[Unit] = ["preference pairs", "raters"] if sampled else ["preference pairs"]
    report.generalises_over = over
    report.ci_method = f"t over {' and '.join(over)}{', crossed' if sampled else ''}"
    return DirectionsCompared(**dict(report), unit=UNIT, caveat=SAMPLED if sampled else FIXED)


def _side(data: Data, question: Question, given: Sequence[_Given], side: str) -> DirectionMean:
    """Return the mean over pairs of one direction; what the personas of a pair got is averaged first.

    The interval stays on the scale; that of a share has a width where all answers are the same.
    """
    mine = [one for one in given if one.direction == side]
    cells = Cells([one.item for one in mine], [one.rater for one in mine] if data.raters_sampled else None)
    values = np.array([float(one.value) for one in mine])
    spread = mean_spread(cells, values)
    ci = None if spread is None else _on_scale(question, spread)
    why = cells.why_no_spread or ("no_variation" if spread else "unstable")
    reason = None if ci else _CODES.get(why, why)
    if not question.has_mean:
        reason = "no_mean_of_categories"
    number = {_measure(question): _mean_over_pairs(cells, values) if mine else None}
    return DirectionMean.model_validate({"n": len({one.persona for one in mine}), "ci": ci, "reason": reason, **number})


def _mean_over_pairs(cells: Cells, values: FloatArray) -> float:
    return float((np.bincount(cells.person, weights=values) / np.bincount(cells.person)).mean())


def _on_scale(question: Question, spread: Spread) -> Interval | None:
    low, high = (float(question.score(end)) for end in (question.minimum, question.maximum))
    if question.is_share:
        return spread.bounded_interval(low, high)
    ci = spread.interval()
    return None if ci is None else (max(low, ci[0]), min(high, ci[1]))
