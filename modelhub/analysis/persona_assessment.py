"""Inferred personas assessed by people: chosen against rejected, and how well people tell whose they are.

The unit is the preference pair: raters' answers are averaged per persona first, and raters count as fixed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from annotation.models import Aspect
from modelhub.analysis.data import CHOSEN, REJECTED, Answer, Data, Question
from modelhub.analysis.judge import accuracy_against_judge
from modelhub.files.pairs import RESPONSES
from modelhub.results.comparison import DirectionsCompared
from modelhub.stats.adjusted import clustered_share, jackknife_interval
from modelhub.stats.crossed import group_codes
from modelhub.stats.effects import PairedRating
from modelhub.stats.paired import paired_report, t_interval
from modelhub.stats.ratings import FloatArray
from modelhub.stats.winrate import Verdict

UNIT = "preference pair"
CAVEAT = "Raters are fixed: the intervals speak of other preference pairs, not of other raters."
ACCURACY = "accuracy"
_OF_PAIRS = {
    "single_participant": "single_pair",
    "too_few_participants_to_reject_at_05": "too_few_pairs_to_reject_at_05",
    "too_many_tied_participants_to_reject_at_05": "too_many_tied_pairs_to_reject_at_05",
}


@dataclass(frozen=True, slots=True)
class _Persona:
    """One persona's mean answer on one aspect."""

    item: str
    condition: str  # what besides the direction tells the personas of a pair apart
    direction: str
    mean: Fraction


def persona_report(data: Data, verdicts: Sequence[Verdict], *, seed: int) -> dict[str, Any]:
    """Return chosen against rejected for every question on personas, and the accuracy of picks."""
    report: dict[str, Any] = {
        question.key: _aspect(data, question, seed) for question in data.of_kind(Aspect.Kind.PERSONA)
    }
    return {**report, ACCURACY: _accuracy(data, verdicts)}


def _aspect(data: Data, question: Question, seed: int) -> dict[str, Any]:
    answers = [answer for answer in data.main if answer.aspect == question.key]
    margin = data.study.analysis.get("margin", {}).get(question.key)

    def report(some: Sequence[Answer], margin: float | None = None) -> dict[str, Any]:
        return _compared(question, _means(data, question, some), margin=margin, seed=seed)

    return {
        "measure": _measure(question),
        "holm_p": None,
        **report(answers, margin),
        "by_stratum": _split(answers, data.strata, lambda answer: answer.stratum, report),
        "by_inferring_system": _split(answers, _inferring(data), _inferring_of(data), report),
    }


def _measure(question: Question) -> str:
    return "share" if question.is_share else "mean"


def _split(
    answers: Sequence[Answer],
    names: Iterable[str],
    of: Callable[[Answer], str],
    report: Callable[[Sequence[Answer]], dict[str, Any]],
) -> dict[str, dict[str, Any]]:
    groups: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        groups[of(answer)].append(answer)
    return {name: report(groups[name]) for name in names}


def _inferring(data: Data) -> list[str]:
    return sorted({origin.inferring_system for origin in data.origins.values()} - {""})


def _inferring_of(data: Data) -> Callable[[Answer], str]:
    return lambda answer: data.origins[answer.persona].inferring_system if answer.persona in data.origins else ""


def _means(data: Data, question: Question, answers: Iterable[Answer]) -> list[_Persona]:
    """Return the mean over raters of every persona whose direction is known."""
    values: defaultdict[str, list[int]] = defaultdict(list)
    items: dict[str, str] = {}
    for answer in answers:
        if question.has_mean and answer.persona in data.origins:
            values[answer.persona].append(question.score(answer.value))
            items[answer.persona] = answer.item
    found = []
    for persona, own in values.items():
        origin = data.origins[persona]
        condition = f"{origin.source}\n{origin.inferring_system}"
        found.append(_Persona(items[persona], condition, origin.direction, Fraction(sum(own), len(own))))
    return found


def _compared(question: Question, personas: Sequence[_Persona], *, margin: float | None, seed: int) -> dict[str, Any]:
    cells: defaultdict[tuple[str, str], dict[str, Fraction]] = defaultdict(dict)
    for persona in personas:
        cells[persona.item, persona.condition][persona.direction] = persona.mean
    pairs = [
        PairedRating(item, f"{item}\n{condition}", base=cell[REJECTED], test=cell[CHOSEN])
        for (item, condition), cell in cells.items()
        if CHOSEN in cell and REJECTED in cell
    ]
    report = paired_report(pairs, margin=margin, span=float(_span(question)), seed=seed)
    if not question.has_mean:
        report.reasons |= dict.fromkeys(report.reasons, "not_ordered")
    # What the paired report says of participants is about preference pairs here.
    report.reasons = {name: _OF_PAIRS.get(code, code) for name, code in report.reasons.items()}
    report.warnings = [*(_OF_PAIRS.get(code, code) for code in report.warnings), "raters_fixed"]
    return {
        **{side: _side(question, personas, side) for side in (CHOSEN, REJECTED)},
        "comparison": DirectionsCompared(**dict(report), unit=UNIT, caveat=CAVEAT),
    }


def _span(question: Question) -> int:
    return question.score(question.maximum) - question.score(question.minimum)


def _side(question: Question, personas: Sequence[_Persona], side: str) -> dict[str, Any]:
    """Return the mean over pairs of one direction; several personas of a pair are averaged first."""
    by_item: defaultdict[str, list[float]] = defaultdict(list)
    for persona in personas:
        if persona.direction == side:
            by_item[persona.item].append(float(persona.mean))
    values = np.array([sum(own) / len(own) for own in by_item.values()])
    ci = t_interval(values)
    if ci:
        low, high = question.score(question.minimum), question.score(question.maximum)
        ci = max(float(low), ci[0]), min(float(high), ci[1])
    missing = "no_data" if question.has_mean else "not_ordered"
    return {
        "n": sum(map(len, by_item.values())),
        _measure(question): float(values.mean()) if len(values) else None,
        "ci": ci,
        "reason": None
        if ci
        else "single_item"
        if len(values) == 1
        else "no_variation_of_differences"
        if len(values)
        else missing,
    }


def _accuracy(data: Data, verdicts: Sequence[Verdict]) -> dict[str, Any] | None:
    """Return how often people picked the persona's own response, with the gap between chosen and rejected ones."""
    picks = {question.key for question in data.of_kind(Aspect.Kind.PICK)}
    if not picks:
        return None
    known = [a for a in data.main if a.aspect in picks and a.preferred and _own(data, a) in (CHOSEN, REJECTED)]
    hits = {side: [answer for answer in known if _own(data, answer) == side] for side in (CHOSEN, REJECTED)}
    return {
        "overall": _share(data, known),
        **{side: _share(data, answers) for side, answers in hits.items()},
        **_gap(data, hits),
        "by_stratum": _split(known, data.strata, lambda answer: answer.stratum, lambda some: _share(data, some)),
        "by_inferring_system": _split(known, _inferring(data), _inferring_of(data), lambda some: _share(data, some)),
        "judge": accuracy_against_judge(data, known, verdicts).model_dump(mode="json") if verdicts else None,
    }


def _own(data: Data, answer: Answer) -> str:
    origin = data.origins.get(answer.persona)
    return origin.direction if origin else ""


def _is_hit(data: Data, answer: Answer) -> bool:
    """Whether the response picked is the one that the persona explains."""
    return (answer.preferred == RESPONSES[CHOSEN]) == (_own(data, answer) == CHOSEN)


def _share(data: Data, answers: Sequence[Answer]) -> dict[str, Any]:
    return clustered_share([int(_is_hit(data, answer)) for answer in answers], [answer.item for answer in answers])


def _gap(data: Data, hits: Mapping[str, Sequence[Answer]]) -> dict[str, Any]:
    """Return accuracy on chosen less accuracy on rejected personas, with a jackknife over preference pairs."""
    both = [(answer, side) for side, answers in hits.items() for answer in answers]
    if not all(hits.values()):
        return {"gap": None, "gap_ci": None, "reason": "one_direction_only" if both else "no_data"}
    codes, count = group_codes([answer.item for answer, _ in both])
    sums = np.zeros((count, 2, 2))  # pair, direction, (hits, picks)
    for code, (answer, side) in zip(codes, both, strict=True):
        sums[code, int(side == REJECTED)] += (int(_is_hit(data, answer)), 1)
    estimate = float(_gaps(sums.sum(axis=0)[None])[0])
    found = jackknife_interval(estimate, _gaps(sums.sum(axis=0) - sums))
    reason = None if found else "single_item"
    return {"gap": estimate, "gap_ci": found[0] if found else None, "reason": reason}


def _gaps(sums: FloatArray) -> FloatArray:
    picks = sums[:, :, 1]
    shares = np.divide(sums[:, :, 0], picks, out=np.full_like(picks, np.nan), where=picks > 0)
    return np.asarray(shares[:, 0] - shares[:, 1])
