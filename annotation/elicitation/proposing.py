"""Propose a persona from what somebody wrote and rated before: pure, deterministic, a heuristic without a model.

docs/study-file.md says what it rests on. It is given texts and scores, never arms.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from annotation.elicitation.attributes import contrasts_of, contrasts_to_name
from annotation.elicitation.grammar import joined, predicate_of, sentences_of, third_person

# From which score on, between 0 and 1, a persona's best response counts as rated highly.
HIGH = 0.5
MOST_WORDS = 60  # of a persona that a proposal begins with; longer ones lose their last sentences
_PREFERENCE = re.compile(r"(?i)^(.*\S),? and (?:also )?(?:would )?(prefers?|preferring)\s+(.+)$", re.DOTALL)


@dataclass(frozen=True)
class RatedResponse:
    """A response and its score from 0 to 1; None where it has none."""

    text: str
    score: float | None


@dataclass(frozen=True)
class OwnPart:
    """A persona of their own that somebody has finished rating responses for."""

    persona: str
    responses: tuple[RatedResponse, ...]

    @property
    def scored(self) -> list[RatedResponse]:
        """The responses that have a score, the best first."""
        scored = [response for response in self.responses if response.score is not None]
        return sorted(scored, key=lambda response: -(response.score or 0))


@dataclass(frozen=True)
class ProposedPersona:
    """A proposal; `attributes` are the measured contrasts that it names, as in “length:less”."""

    text: str
    attributes: tuple[str, ...]


def propose(parts: Sequence[OwnPart]) -> ProposedPersona | None:
    """Return the persona that a participant's parts, the earliest first, speak for; None where they say nothing."""
    contrasts = contrasts_of(_preferences(parts))
    base = _base(parts)
    named = contrasts_to_name(contrasts, said=base)
    if not base and not named:
        return None
    phrases = [contrast.phrase for contrast in named]
    return ProposedPersona(_sentence(base, phrases), tuple(contrast.name for contrast in named))


def _preferences(parts: Sequence[OwnPart]) -> list[tuple[str, str]]:
    """Return the best and the worst response of each part in which one was rated better."""
    ranked = [part.scored for part in parts]
    return [(scored[0].text, scored[-1].text) for scored in ranked if scored and scored[0].score != scored[-1].score]


def _base(parts: Sequence[OwnPart]) -> str:
    """Return the persona whose best response was rated highest, if that was high; the latest of equals."""
    best = [(part.scored[0].score or 0, number) for number, part in enumerate(parts) if part.scored]
    score, number = max(best, default=(0, 0))
    return " ".join(parts[number].persona.split()) if best and score >= HIGH else ""


def _sentence(base: str, phrases: list[str]) -> str:
    sentences = sentences_of(base)
    predicate = predicate_of(sentences[0]) if sentences else None
    preferring = f"The user prefers {joined(phrases)}." if phrases else ""
    if predicate is None:  # a persona in a form of its own stays as it is
        first = base if not base or base.endswith((".", "!", "?")) else f"{base}."
        return " ".join(filter(None, [first, preferring]))
    more = [f"{third_person(sentence)}." for sentence in sentences[1:]]
    return " ".join([f"The user {_preferring_too(predicate, phrases)}.", *_fitting(predicate, more)])


def _preferring_too(predicate: str, phrases: list[str]) -> str:
    """Return the predicate with the phrases among what it says to be preferred."""
    if not phrases:
        return predicate
    stated = _PREFERENCE.match(predicate)
    if stated:
        return f"{stated[1]} and prefers {joined([stated[3], *phrases])}"
    if predicate.startswith("prefers "):
        return joined([predicate, *phrases])
    comma = "," if re.search(r",|\band\b", predicate) else ""
    return f"{predicate}{comma} and prefers {joined(phrases)}"


def _fitting(predicate: str, more: list[str]) -> list[str]:
    kept: list[str] = []
    for sentence in more:
        if len(" ".join([predicate, *kept, sentence]).split()) > MOST_WORDS:
            break
        kept.append(sentence[:1].upper() + sentence[1:])
    return kept
