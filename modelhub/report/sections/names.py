"""What things are called in a report, and where they stand in its tables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from modelhub.results.report import Results
from modelhub.results.study import QuestionResult, StudyResult

POOLED = "All"
DESIGNS = {
    "overlap": "A second person's ratings of the same persona",
    "shared_personas": "Several people's ratings of the same persona",
    "repeat": "The same person's ratings, given twice",
}
SIDES = ("rejected", "chosen")
BANDS = 5  # into which charts divide what sliders gave
POPULATIONS = {"all": "nobody is left out", "without_excluded": "without excluded people"}
Of = TypeVar("Of")


@dataclass(frozen=True)
class Names:
    """The names in a study's results; `conditions` are what ratings are compared by, the base first."""

    questions: Mapping[str, QuestionResult]
    conditions: tuple[str, ...]
    base: str
    test: str

    @classmethod
    def of(cls, results: Results) -> "Names":
        """Return the names of a study's results."""
        study = results.study
        systems = [system.name for system in study.systems]
        base, test = study.base or "base", study.test or "test"
        ordered = (*(name for name in (base, test) if name in systems), *(n for n in systems if n not in (base, test)))
        return cls({question.key: question for question in study.questions}, (*ordered, *SIDES), base, test)

    def question(self, key: str) -> str:
        """Return the question's short name."""
        return self.questions[key].name if key in self.questions else key.replace("_", " ").capitalize()

    def series(self, condition: str) -> int:
        """Return the place of a system, or of chosen and rejected, among the colours of figures."""
        if condition in SIDES:
            return SIDES.index(condition)
        return self.conditions.index(condition) if condition in self.conditions else 0

    def ordered(self, conditions: Mapping[str, Of]) -> Iterator[tuple[str, Of]]:
        """Yield (condition, what belongs to it), the base first."""
        known = [name for name in self.conditions if name in conditions]
        for name in (*known, *(name for name in conditions if name not in known)):
            yield name, conditions[name]

    def span(self, key: str) -> float:
        """Return the largest difference that two answers to a question can have."""
        return float(self.questions[key].maximum - self.questions[key].minimum)

    def labels(self, key: str) -> list[tuple[int, str]]:
        """Return the (value, label) pairs of a question's scale, in ascending order; bands of values of a slider."""
        question = self.questions[key]
        if question.level != "interval":
            return question.points
        starts = [*self._starts(question), question.maximum + 1]
        return [(start, f"to {end - 1}" if end - 1 > start else "") for start, end in pairwise(starts)]

    def band(self, key: str, value: int) -> int:
        """Return the value under which `labels` has this one: itself, or the first of its band."""
        question = self.questions[key]
        if question.level != "interval":
            return value
        return max(start for start in self._starts(question) if start <= value)

    def _starts(self, question: QuestionResult) -> list[int]:
        """Where the bands begin: five of the same width, the last of which holds the maximum too."""
        span = question.maximum - question.minimum
        return sorted({question.minimum + span * band // BANDS for band in range(BANDS)})


def split_name(study: StudyResult) -> str:
    """Return what the strata are told apart by."""
    by = ["data set"] if study.strata else []
    return " and ".join([*by, *(["condition of writing"] if study.writings else [])]) or "data set"


def stratum_name(stratum: str) -> str:
    """Return the name of a stratum; the one without a name holds all of them."""
    return stratum or POOLED


def why(found: Any, name: str) -> str | None:
    """Return the reason code for `name`, from either form in which a part of results holds it."""
    if isinstance(found, Mapping):
        return (found.get("reasons") or {}).get(name) or found.get("reason")
    return getattr(found, "reasons", {}).get(name) or getattr(found, "reason", None)
