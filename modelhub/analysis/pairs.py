"""The two compared systems, side by side: one row per participant, persona and aspect."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from annotation.models import Aspect
from modelhub.analysis.answers import Answer, Question
from modelhub.analysis.data import Data
from modelhub.stats.effects import PairedRating
from modelhub.stats.wins import BASE, BOTH_BAD, TEST, TIE

_TIE = 1 + Aspect.COMPARISON_OPTIONS.index("tie")


@dataclass(frozen=True, slots=True)
class RatedPair:
    """What one participant gave to both systems for one persona. Words are None where a text was erased."""

    participant: str
    assignment: str
    item: str
    persona: str
    stratum: str
    writing: str
    base: int
    test: int
    base_words: int | None
    test_words: int | None
    test_is_left: bool

    @property
    def difference(self) -> int:
        """Test minus base, in points."""
        return self.test - self.base

    def as_pair(self) -> PairedRating:
        """Return the pair as the statistics take it."""
        return PairedRating(self.participant, self.item, base=self.base, test=self.test)


@dataclass(frozen=True, slots=True)
class Preference:
    """A comparison or pick: which system was preferred. `test_is_left` is None where nothing tells the sides."""

    participant: str
    assignment: str
    item: str
    persona: str
    stratum: str
    writing: str
    value: int
    preferred: str  # BASE, TEST, TIE or BOTH_BAD
    test_is_left: bool | None


def rated_pairs(data: Data, answers: Iterable[Answer]) -> dict[str, list[RatedPair]]:
    """Return the pairs of each rated aspect; a rating whose counterpart is missing has none."""
    scales = {question.key: question for question in data.of_kind(Aspect.Kind.RATING) if question.has_mean}
    cells: defaultdict[tuple[str, str], dict[str, Answer]] = defaultdict(dict)
    for answer in answers:
        if answer.aspect in scales and answer.system in (data.base, data.test) and answer.system is not None:
            cells[answer.aspect, answer.assignment][answer.system] = answer
    pairs: dict[str, list[RatedPair]] = {key: [] for key in scales}
    for (aspect, _), cell in cells.items():
        if len(cell) == 2 and data.base is not None and data.test is not None:
            pairs[aspect].append(_pair(data, scales[aspect], cell[data.base], cell[data.test]))
    return pairs


def choices(data: Data, answers: Sequence[Answer]) -> dict[str, list[Preference]]:
    """Return the answers to each comparison and pick, in terms of base and test."""
    asked = {question.key for question in data.of_kind(Aspect.Kind.COMPARISON, Aspect.Kind.PICK)}
    left: dict[str, bool] = {}
    for answer in answers:
        if answer.system == data.test and answer.output:
            left[answer.assignment] = answer.position == 1
        elif answer.aspect in asked and answer.preferred is not None:
            left.setdefault(answer.assignment, (answer.value == 1) == (answer.preferred == data.test))
    found: dict[str, list[Preference]] = {key: [] for key in asked}
    for answer in answers:
        if answer.aspect in asked:
            found[answer.aspect].append(
                Preference(
                    participant=answer.participant,
                    assignment=answer.assignment,
                    item=answer.item,
                    persona=answer.persona,
                    stratum=answer.stratum,
                    writing=answer.writing,
                    value=answer.value,
                    preferred=_preferred(data, answer),
                    test_is_left=left.get(answer.assignment),
                )
            )
    return {question.key: found[question.key] for question in data.questions.values() if question.key in asked}


def _pair(data: Data, question: Question, base: Answer, test: Answer) -> RatedPair:
    return RatedPair(
        participant=test.participant,
        assignment=test.assignment,
        item=test.item,
        persona=test.persona,
        stratum=test.stratum,
        writing=test.writing,
        base=question.score(base.value),
        test=question.score(test.value),
        base_words=data.output_words.get(base.output or ""),
        test_words=data.output_words.get(test.output or ""),
        test_is_left=test.position < base.position,
    )


def _preferred(data: Data, answer: Answer) -> str:
    if answer.preferred is not None:
        return TEST if answer.preferred == data.test else BASE
    return TIE if answer.value == _TIE else BOTH_BAD
