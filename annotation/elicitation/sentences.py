"""Put answers together into “The user … and prefers …”: pure, and the same for the same answers."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from annotation.elicitation.grammar import (
    capitalised,
    joined,
    lowered,
    predicate_of,
    says_nothing,
    sentences_of,
    third_person,
)

_LAST = "prefers"
_ASKING = re.compile(r"(?i)(?:how|what|why|when|where|which|who|whether)\b")
_NEGATIVE = re.compile(r"does not (\w+)")
_NOT_ANY = re.compile(r"(?i)(?:no|nothing|nobody|no one|neither|never|none)\b")
_IMPERATIVE = re.compile(r"(?i)(?:please )?(?:don't|do not) (?=\w)")
# Verbs that ask for something, where a noun is not meant.
_REQUEST = re.compile(
    r"(?i)(?:give|tell|teach|explain|recommend|suggest|describe|compare|include|keep|be|(?:show|help) (?=me\b|us\b))\b"
)
_TOO = re.compile(r"(?i)(?:too|overly|very|so) \w+$")
_POLITE = re.compile(r"(?i)^(?:please|maybe|perhaps|probably|just|well|hmm|ok|okay),?\s+(?=\S)")
_AVOIDING = re.compile(r"(?i)(?:avoid|avoiding|avoids|without|not|leave out|skip)\s+(?=\w)")


def assembled_sentence(questions: Sequence[Mapping[str, Any]], answers: Mapping[str, str]) -> str:
    """Return the persona that the answers make, or "" where nothing has been answered.

    Each question that was answered gives a clause, in the questions' order, those opened with “prefers” last. Further
    sentences of an answer follow as sentences of their own.
    """
    clauses: list[tuple[bool, str]] = []
    more: list[str] = []
    for question in questions:
        answer = answers.get(question["key"], "")
        if says_nothing(answer):
            continue
        first, *others = sentences_of(answer)
        clauses.append((question["opening"] == _LAST, clause_of(question["opening"], first)))
        more += [f"{capitalised(third_person(lowered(other)))}." for other in others if not says_nothing(other)]
    if not clauses:
        return ""
    inner = [clause for is_last, clause in sorted(clauses, key=lambda clause: clause[0])]
    return " ".join([f"The user {joined(inner)}.", *more])


def clause_of(opening: str, sentence: str) -> str:
    """Return what a sentence says behind “The user”, opened by `opening` unless it has a verb of its own."""
    said = _POLITE.sub("", sentence)
    predicate = predicate_of(said)
    if predicate is not None:
        return predicate
    if repeated := _after_opening(opening, said):
        return f"{opening} {third_person(lowered(repeated))}"
    negative = _NEGATIVE.fullmatch(opening)
    if forbidden := _IMPERATIVE.match(said):
        return f"{opening if negative else 'does not want'} the answer to {third_person(said[forbidden.end() :])}"
    if negative:
        return _negated(opening, f"{negative[1]}s", said)
    if _REQUEST.match(said):
        return f"{opening} the answer to {third_person(lowered(said))}"
    asks = "to know " if opening in ("wants", "needs", "would like") and _ASKING.match(said) else ""
    return f"{opening} {asks}{third_person(lowered(said))}"


def _after_opening(opening: str, said: str) -> str:
    """Return what follows where the answer begins with the opening itself, or with its verb as “I” has it."""
    forms = [opening]
    if " " not in opening and opening.endswith("s"):
        forms.append(opening[:-1])
    if opening.startswith("does not "):
        forms += [opening.replace("does not", "do not"), opening.replace("does not", "don't")]
    for form in forms:
        if said.casefold().startswith(f"{form.casefold()} "):
            return said[len(form) + 1 :]
    return ""


def _negated(opening: str, positive: str, said: str) -> str:
    """Return a clause that says “not” once: “no jargon” behind “does not want” is “wants no jargon”."""
    if _NOT_ANY.match(said):
        return f"{positive} {third_person(lowered(said))}"
    rest = lowered(_AVOIDING.sub("", said, count=1) if _AVOIDING.match(said) else said)
    return f"{opening} {'the answer to be ' if _TOO.match(rest) else ''}{third_person(rest)}"
