"""Agreement by design: second raters, shared personas, repetitions. A unit is an output, a persona, or a pair."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.models import Aspect, Assignment, Study
from modelhub.analysis.data import Answer, Data, Question
from modelhub.analysis.output_rating import direction
from modelhub.stats.agreement import agreement_report
from modelhub.stats.ratings import Level, Value, make_ratings
from modelhub.stats.wins import BOTH_BAD, TIE

OVERLAP, SHARED, REPEAT = "overlap", "shared_personas", "repeat"
OWN_PERSONAS = (
    "Participants rated responses to personas that they had written themselves. Nobody else can stand in their place, "
    "so inter-rater agreement cannot be estimated from these ratings."
)
_WHERE_FROM = {
    OVERLAP: "the personas that a second person rated for their author",
    SHARED: "the given personas that several people rated",
    REPEAT: "the parts shown twice to the same person (agreement with oneself)",
}


@dataclass(frozen=True, slots=True)
class _ItemRating:
    """One answer as agreement sees it."""

    rater: str
    item: str
    value: Value
    group: str | None
    stratum: str


def agreement_by_design(data: Data, *, seed: int, replicates: int) -> dict[str, Any]:
    """Return the agreement of every design of the study, by aspect: pooled, by system or condition, by stratum."""
    designs = _designs(data)

    def report(units: Sequence[_ItemRating], question: Question) -> dict[str, Any]:
        level, domain = _scale(data, question)
        ratings = make_ratings(
            [unit.rater for unit in units], [unit.item for unit in units], [unit.value for unit in units],
            level=level, domain=domain,
        )  # fmt: skip
        return agreement_report(ratings, seed=seed, replicates=replicates)

    return {
        "note": _note(data.study, list(designs)),
        "designs": {
            name: {
                question.key: _of_aspect(data, question, _units(data, answers, question, design=name), report)
                for question in data.questions.values()
            }
            for name, answers in designs.items()
        },
    }


def _of_aspect(
    data: Data,
    question: Question,
    units: Sequence[_ItemRating],
    report: Callable[[Sequence[_ItemRating], Question], Any],
) -> dict[str, Any]:
    by = "by_system" if question.kind == Aspect.Kind.RATING else "by_condition"
    groups = sorted({unit.group for unit in units if unit.group is not None})
    strata = data.strata if units else ()
    return {
        "pooled": report(units, question),
        by: {name: report([unit for unit in units if unit.group == name], question) for name in groups},
        "by_stratum": {name: report([unit for unit in units if unit.stratum == name], question) for name in strata},
    }


def _designs(data: Data) -> dict[str, list[Answer]]:
    """Return the answers that each design of the study rests on, for designs that are planned or came about."""
    study, kinds = data.study, Assignment.Kind
    second = {answer.persona for answer in data.answers if answer.kind == kinds.OVERLAP}
    again = {answer.repeat_of for answer in data.answers if answer.kind == kinds.REPEAT}
    designs: dict[str, list[Answer]] = {}
    if second or study.overlap_share:
        designs[OVERLAP] = [a for a in data.answers if a.persona in second and a.kind != kinds.REPEAT]
    if study.given_personas_per_participant:
        designs[SHARED] = [a for a in data.main if not a.is_written]
    if again or study.repeat_share:
        designs[REPEAT] = [a for a in data.answers if a.kind == kinds.REPEAT or a.assignment in again]
    return designs


def _units(data: Data, answers: Iterable[Answer], question: Question, *, design: str) -> list[_ItemRating]:
    units = []
    for answer in answers:
        if answer.aspect != question.key:
            continue
        item, rater = answer.output or answer.persona, answer.participant
        if design == REPEAT:  # both times are raters; what was rated is this part of this person
            is_again = answer.repeat_of is not None
            item = f"{answer.repeat_of or answer.assignment} {item}"
            rater = "second time" if is_again else "first time"
        group = answer.system or direction(data, answer.persona)
        units.append(_ItemRating(rater, item, _value(question, answer), group, answer.stratum))
    return units


def _value(question: Question, answer: Answer) -> Value:
    """Return the value; sides of the page become systems, so that raters who saw other sides can agree."""
    if question.kind not in (Aspect.Kind.COMPARISON, Aspect.Kind.PICK):
        return answer.value
    if answer.preferred is not None:
        return answer.preferred
    return Aspect.COMPARISON_OPTIONS[answer.value - 1]


def _scale(data: Data, question: Question) -> tuple[Level, list[Value]]:
    names: list[Value] = [system.name for system in data.systems]
    if question.kind == Aspect.Kind.PICK:
        return Level.NOMINAL, names
    if question.kind == Aspect.Kind.COMPARISON:
        return Level.NOMINAL, [*names, TIE, BOTH_BAD]
    return Level(question.level), list(range(question.minimum, question.maximum + 1))


def _note(study: Study, designs: Sequence[str]) -> str:
    if not study.written_personas_per_participant:
        return ""
    if not designs:
        return f"{OWN_PERSONAS} The study has no other design that would allow it."
    return f"{OWN_PERSONAS} What follows comes from {' and from '.join(_WHERE_FROM[name] for name in designs)}."
