"""Agreement by design: second raters, shared personas, repetitions. A unit is an output, a persona, or a pair."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from annotation.models import Aspect, Assignment, Study
from modelhub.analysis.answers import Answer, Question
from modelhub.analysis.data import Data
from modelhub.analysis.output_rating import direction
from modelhub.results.agreement import AgreementReport, AspectAgreement, DesignAgreement
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

    person: str
    rater: str
    item: str
    value: Value
    group: str | None
    stratum: str


def agreement_by_design(data: Data, *, seed: int, replicates: int) -> DesignAgreement:
    """Return the agreement of every design of the study, by aspect: pooled, by system or condition, by stratum."""
    designs = _designs(data)

    def report(units: Sequence[_ItemRating], question: Question) -> AgreementReport:
        level, domain = _scale(data, question)
        ratings = make_ratings(
            [unit.rater for unit in units], [unit.item for unit in units], [unit.value for unit in units],
            level=level, domain=domain,
        )  # fmt: skip
        return agreement_report(ratings, seed=seed, replicates=replicates)

    found = {}
    for name, answers in designs.items():
        by_question: defaultdict[str, list[Answer]] = defaultdict(list)
        for answer in answers:
            by_question[answer.aspect].append(answer)
        found[name] = {
            question.key: _of_aspect(data, question, _units(data, by_question[question.key], question, name), report)
            for question in data.questions.values()
        }
    return DesignAgreement(note=_note(data.study, list(designs)), designs=found)


def _of_aspect(
    data: Data,
    question: Question,
    units: Sequence[_ItemRating],
    report: Callable[[Sequence[_ItemRating], Question], AgreementReport],
) -> AspectAgreement:
    groups: defaultdict[str, list[_ItemRating]] = defaultdict(list)
    strata: dict[str, list[_ItemRating]] = {name: [] for name in data.strata} if units else {}
    for unit in units:
        if unit.group is not None:
            groups[unit.group].append(unit)
        if strata:
            strata[unit.stratum].append(unit)
    by_group = {name: report(groups[name], question) for name in sorted(groups)}
    is_rating = question.kind == Aspect.Kind.RATING
    return AspectAgreement(
        people=len({unit.person for unit in units}),
        pooled=report(units, question),
        by_system=by_group if is_rating else {},
        by_condition={} if is_rating else by_group,
        by_stratum={name: report(found, question) for name, found in strata.items()},
    )


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


def _units(data: Data, answers: Iterable[Answer], question: Question, design: str) -> list[_ItemRating]:
    units = []
    for answer in answers:
        item, rater = answer.output or answer.persona, answer.participant
        if design == REPEAT:  # both times are raters; what was rated is this part of this person
            is_again = answer.repeat_of is not None
            item = f"{answer.repeat_of or answer.assignment} {item}"
            rater = "second time" if is_again else "first time"
        group = answer.system or direction(data, answer.persona)
        units.append(_ItemRating(answer.participant, rater, item, _value(question, answer), group, answer.stratum))
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
