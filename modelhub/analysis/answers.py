"""Questions and answers as the analysis sees them; an order of the responses is read as a rating of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from annotation.models import Aspect
from annotation.orders import places_of


@dataclass(frozen=True)
class Question:
    """An aspect. `score` makes its answers numbers that can be averaged, where they can.

    Of marked passages, where `is_marking`, more is neither better nor worse.
    """

    key: str
    name: str
    kind: str
    level: str
    question: str
    question_for_others: str
    labels: tuple[str, ...]
    minimum: int
    maximum: int
    is_marking: bool = False
    before_persona: bool = False

    @cached_property
    def is_share(self) -> bool:
        """Two unordered answers, such as no and yes: averaged, they give the share of the upper one."""
        return self.level == Aspect.Level.NOMINAL and self.maximum == self.minimum + 1

    @property
    def has_mean(self) -> bool:
        """Answers are ordered, or only two."""
        return self.level in (Aspect.Level.ORDINAL, Aspect.Level.INTERVAL) or self.is_share

    def score(self, value: int) -> int:
        """Return the answer in points of the scale; 0 or 1 where there are two unordered answers."""
        return value - self.minimum if self.is_share else value


@dataclass(frozen=True, slots=True)
class Answer:
    """A current answer in a completed part. `system` made what was rated; `preferred` is the system chosen.
    `ranked` are the systems in the order of a ranking, or the best and the worst.

    `writing` is the stratum by the condition in which the persona was to be written, where a study has two.
    """

    participant: str
    excluded: bool
    assignment: str
    kind: str
    repeat_of: str | None
    ordinal: int
    item: str
    stratum: str
    persona: str
    is_written: bool
    writing: str
    output: str | None
    system: str | None
    position: int
    aspect: str
    value: int
    preferred: str | None
    ranked: tuple[str, ...] = ()
    set_aside: bool = False

    @property
    def is_left_out(self) -> bool:
        """The participant was excluded, or the part set aside."""
        return self.excluded or self.set_aside


def question_of(aspect: Aspect, *, arms: int) -> Question:
    """Return an aspect as a question. Of orders it is about each response: how far to the front it stands.

    Of passages it is about whether any was marked: a share, on which raters agree or not.

    A ranking of three gives 3 to the first and 1 to the last; the best has 1, the worst -1, and the others have 0. So a
    higher number is better, as on the scales, and differences, win rates and agreement mean the same.
    """
    kind, level, minimum, maximum, labels = aspect.kind, aspect.level, aspect.minimum, aspect.maximum, aspect.labels
    if aspect.orders:
        best, worst = aspect.labels
        kind, level = Aspect.Kind.RATING, Aspect.Level.ORDINAL
        minimum, maximum, labels = -1, 1, [worst, "neither", best]
    if aspect.kind == Aspect.Kind.RANKING:
        between = [f"place {place}" for place in range(arms - 1, 1, -1)]
        minimum, maximum, labels = 1, arms, [f"place {arms}: {worst}", *between, f"place 1: {best}"]
    if aspect.is_span:
        kind, minimum, maximum, labels = Aspect.Kind.RATING, 0, 1, ["nothing marked", "passages marked"]
    return Question(
        key=aspect.key,
        name=aspect.name,
        kind=kind,
        level=level,
        question=aspect.question,
        question_for_others=aspect.question_for_others,
        labels=tuple(labels),
        minimum=minimum,
        maximum=maximum,
        is_marking=aspect.is_span,
        before_persona=aspect.before_persona,
    )


def answers_as_ratings(answers: Sequence[Answer], aspects: Mapping[str, Aspect]) -> list[Answer]:
    """Return the answers, with one for each response in place of an order of all, and 1 for any number of passages.

    What a response is, and where it stood, is known from the ratings of single responses, of which each part has some.
    """
    answers = [
        replace(answer, value=min(answer.value, 1)) if aspects[answer.aspect].is_span else answer for answer in answers
    ]
    if not any(aspect.orders for aspect in aspects.values()):
        return answers
    shown: dict[str, dict[str, Answer]] = {}
    for answer in answers:
        if answer.output and answer.system:
            shown.setdefault(answer.assignment, {})[answer.system] = answer
    return [one for answer in answers for one in _ratings(answer, aspects[answer.aspect], shown)]


def _ratings(answer: Answer, aspect: Aspect, shown: Mapping[str, Mapping[str, Answer]]) -> Iterator[Answer]:
    if not aspect.orders:
        yield answer
        return
    responses = shown[answer.assignment]
    is_ranking = aspect.kind == Aspect.Kind.RANKING
    for system, place in places_of(answer.ranked, responses, all_places=is_ranking).items():
        there = responses[system]
        value = len(answer.ranked) + 1 - place if is_ranking else place
        yield replace(answer, system=system, output=there.output, position=there.position, value=value)
