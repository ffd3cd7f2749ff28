"""What things are called in a report, and where they stand in its tables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

POOLED = "All"
DESIGNS = {
    "overlap": "A second person's ratings of the same persona",
    "shared_personas": "Several people's ratings of the same persona",
    "repeat": "The same person's ratings, given twice",
}
SIDES = ("rejected", "chosen")


@dataclass(frozen=True)
class Names:
    """The names in a study's results; `conditions` are what ratings are compared by, the base first."""

    questions: Mapping[str, Mapping[str, Any]]
    conditions: tuple[str, ...]
    base: str
    test: str

    @classmethod
    def of(cls, results: Mapping[str, Any]) -> "Names":
        """Return the names of a study's results."""
        study = results["study"]
        systems = [system["name"] for system in study["systems"]]
        base, test = study["base"] or "base", study["test"] or "test"
        ordered = (*(name for name in (base, test) if name in systems), *(n for n in systems if n not in (base, test)))
        return cls({question["key"]: question for question in study["questions"]}, (*ordered, *SIDES), base, test)

    def question(self, key: str) -> str:
        """Return the question's short name."""
        return str(self.questions[key]["name"]) if key in self.questions else key.replace("_", " ").capitalize()

    def series(self, condition: str) -> int:
        """Return the place of a system, or of chosen and rejected, among the colours of figures."""
        if condition in SIDES:
            return SIDES.index(condition)
        return self.conditions.index(condition) if condition in self.conditions else 0

    def ordered(self, conditions: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield (condition, what belongs to it), the base first."""
        known = [name for name in self.conditions if name in conditions]
        for name in (*known, *(name for name in conditions if name not in known)):
            yield name, conditions[name]

    def span(self, key: str) -> float:
        """Return the largest difference that two answers to a question can have."""
        question = self.questions[key]
        return float(question["maximum"] - question["minimum"])

    def labels(self, key: str) -> list[tuple[int, str]]:
        """Return the (value, label) pairs of a question's scale, in ascending order."""
        question = self.questions[key]
        return list(zip(range(question["minimum"], question["maximum"] + 1), question["labels"], strict=True))


def split_name(results: dict[str, Any]) -> str:
    """Return what the strata are told apart by."""
    by = ["data set"] if results["study"]["strata"] else []
    return " and ".join([*by, *(["condition of writing"] if results["study"].get("writings") else [])]) or "data set"


def stratum_name(stratum: str) -> str:
    """Return the name of a stratum; the one without a name holds all of them."""
    return stratum or POOLED


def why(found: Mapping[str, Any], name: str) -> str | None:
    """Return the reason code for `name`, from either form in which results hold it."""
    reasons = found.get("reasons") or {}
    return reasons.get(name) or found.get("reason")
