"""Exclusion rules: facts about one participant in, flags out. Pure. Rules flag, they never remove anybody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

# So many parts in a row with one and the same answer everywhere are straightlining.
STRAIGHT_PARTS = 5


@dataclass(frozen=True)
class PartFacts:
    """A finished part: the lowest and highest answer on its scales, how many there are, and the seconds it took.

    `seconds` is the focused time where the browser reported it, else the time from showing to finishing; None where
    neither is known. Parts that hold a planted pair have no part in straightlining; `scales` is 0 for them.
    """

    lowest: int
    highest: int
    scales: int
    seconds: float | None
    assignment: int = 0


@dataclass(frozen=True)
class ParticipantFacts:
    """What the rules look at. `parts` are in the order in which they were handed out."""

    failed_checks: int = 0
    failed_planted: int = 0
    failed_quiz: bool = False
    parts: Sequence[PartFacts] = ()


@dataclass(frozen=True)
class ParticipantFlag:
    """A rule that applies to a participant: what was found, and the threshold of the study file."""

    rule: str
    value: float
    threshold: float

    @property
    def text(self) -> str:
        """The flag in words."""
        return _WORDS[self.rule].format(value=self.value, threshold=self.threshold)


_WORDS = {
    "failed_checks": "{value:g} attention checks missed (flagged from {threshold:g})",
    "failed_planted": "{value:g} planted pairs not told apart (flagged from {threshold:g})",
    "failed_quiz": "quiz not passed",
    "min_seconds_per_part": "{value:.1f} seconds for a part in the median (flagged below {threshold:g})",
    "straightlining": "the same answer on every scale of {value:g} parts in a row (flagged from {threshold:g})",
}


def flags_for(facts: ParticipantFacts, rules: Mapping[str, Any]) -> list[ParticipantFlag]:
    """Return the flags that the rules of the study file raise, in the order of the documentation."""
    flags = []
    for rule in ("failed_checks", "failed_planted"):
        failed = getattr(facts, rule)
        if rules.get(rule) and failed >= rules[rule]:
            flags.append(ParticipantFlag(rule, failed, rules[rule]))
    if rules.get("failed_quiz") and facts.failed_quiz:
        flags.append(ParticipantFlag("failed_quiz", 1, 1))
    seconds = [part.seconds for part in facts.parts if part.seconds is not None]
    if rules.get("min_seconds_per_part") and seconds and median(seconds) < rules["min_seconds_per_part"]:
        flags.append(ParticipantFlag("min_seconds_per_part", median(seconds), rules["min_seconds_per_part"]))
    run = longest_straight_run(facts.parts)
    if rules.get("straightlining") and run >= STRAIGHT_PARTS:
        flags.append(ParticipantFlag("straightlining", run, STRAIGHT_PARTS))
    return flags


def longest_straight_run(parts: Sequence[PartFacts]) -> int:
    """Return how many parts in a row hold one and the same value on every scale.

    Parts with fewer than two scales say nothing and are passed over.
    """
    longest = run = 0
    value: int | None = None
    for part in parts:
        if part.scales < 2:
            continue
        if part.lowest != part.highest:
            run, value = 0, None
            continue
        run = run + 1 if part.lowest == value else 1
        value = part.lowest
        longest = max(longest, run)
    return longest
