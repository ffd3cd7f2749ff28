"""What responses are like, measured: pure, and deliberately simple, since it is said to people in plain words.

None of it knows an arm. An attribute is named only where preferred and other responses differ in it consistently.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

# A response is longer than another from this ratio of their words on.
LONGER = 1.25
# Hedges per hundred words, and long words in a hundred, by which two responses have to differ.
HEDGES_APART = 1.0
LONG_WORDS_APART = 5.0
LONG_WORD = 9  # letters
FEWEST = 2  # parts that have to agree
MOST_NAMED = 3  # in one persona

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_LIST_LINE = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+\S", re.MULTILINE)
_EXAMPLE = re.compile(r"(?i)\b(?:for example|for instance|e\.g\.|such as|an example)")
_QUESTION = re.compile(r"\?(?=\s|[\"”')]|$)")
_HEDGE = re.compile(
    r"(?i)\b(?:may|might|could|perhaps|possibly|probably|likely|maybe|seems?|depends|generally|usually|typically)\b"
)


@dataclass(frozen=True)
class Attribute:
    """Something responses differ in. `difference` says which of two has more of it: 1, -1, or 0 where neither has.

    `more` and `less` stand behind “prefers”; `words` are those with which a persona speaks of it already.
    """

    key: str
    difference: Callable[[str, str], int]
    more: str
    less: str
    words: str


def _words(text: str) -> int:
    return max(len(_WORD.findall(text)), 1)


def _longer(one: str, other: str) -> int:
    if _words(one) >= LONGER * _words(other):
        return 1
    return -1 if _words(other) >= LONGER * _words(one) else 0


def _has(pattern: re.Pattern[str], at_least: int = 1) -> Callable[[str, str], int]:
    """Return a difference by whether a text holds so many of something."""
    return lambda one, other: (len(pattern.findall(one)) >= at_least) - (len(pattern.findall(other)) >= at_least)


def _sign(difference: float, apart: float) -> int:
    return 0 if abs(difference) < apart else 1 if difference > 0 else -1


def _hedges(one: str, other: str) -> int:
    one_share, other_share = (100 * len(_HEDGE.findall(text)) / _words(text) for text in (one, other))
    return _sign(one_share - other_share, HEDGES_APART)


def _long_words(one: str, other: str) -> int:
    shares = [100 * sum(len(word) >= LONG_WORD for word in _WORD.findall(text)) / _words(text) for text in (one, other)]
    return _sign(shares[0] - shares[1], LONG_WORDS_APART)


ATTRIBUTES = (
    Attribute("length", _longer, "longer answers", "shorter answers",
              r"short|brief|concise|long|length|detail|thorough|in depth|quick"),
    Attribute("lists", _has(_LIST_LINE, 2), "lists", "running text instead of lists",
              r"list|bullet|steps|running text"),
    Attribute("examples", _has(_EXAMPLE), "examples", "answers without examples", r"example"),
    Attribute("questions", _has(_QUESTION), "being asked something back", "answers that ask nothing back",
              r"ask|question"),
    Attribute("hedging", _hedges, "being told what is uncertain", "plain statements without hedging",
              r"certain|sure|hedg|confident|definite|direct"),
    Attribute("long_words", _long_words, "technical language", "everyday words",
              r"technical|jargon|plain|everyday|simple|expert"),
)  # fmt: skip


def contrasts_of(pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return, by attribute, what the better of two responses consistently has: 1 more of it, -1 less.

    `pairs` holds the better and the worse response of each part. An attribute counts where at least FEWEST parts agree,
    and two thirds of all; parts in which it makes no difference speak for neither.
    """
    found = {}
    for attribute in ATTRIBUTES:
        signs = [attribute.difference(better, worse) for better, worse in pairs]
        for sign in (1, -1):
            if signs.count(sign) >= FEWEST and 3 * signs.count(sign) >= 2 * len(signs):
                found[attribute.key] = sign
    return found


@dataclass(frozen=True)
class NamedContrast:
    """A contrast for a persona: its name in exports, as “length:less”, and the words that stand behind “prefers”."""

    name: str
    phrase: str


def contrasts_to_name(contrasts: Mapping[str, int], *, said: str) -> list[NamedContrast]:
    """Return the first few contrasts, without those of which the text `said` speaks already."""
    return [
        NamedContrast(f"{attribute.key}:more", attribute.more)
        if contrasts[attribute.key] > 0
        else NamedContrast(f"{attribute.key}:less", attribute.less)
        for attribute in ATTRIBUTES
        if attribute.key in contrasts and not re.search(rf"(?i)\b(?:{attribute.words})", said)
    ][:MOST_NAMED]
