"""Look at an inferred persona: its form and length, copied wording, protected attributes, harm. Pure functions.

A finding is a flag with its reason, for a person to judge; nothing is changed or left out because of it. What the
form asked for is, and why personas should copy no wording and name no protected attribute, follows Balepur et al.
(2025); the bounds and the lists of terms (screening_terms.yaml) are ours. docs/persona-inference.md describes them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from modelhub.screening.flags import Flag

FEWEST_WORDS, MOST_WORDS = 8, 40
# So many words in a row, in a prompt or response too, are copied: three are shared by chance ("a balance between").
COPIED_WORDS = 4
# Characters. What is longer is no persona; the megabytes that a broken server sends would take minutes to look through.
LOOKED_AT = 10_000
_SHORTEST_COPIED_PROMPT = 5  # characters: that a persona says "why" tells nothing, even where it is the whole prompt

_TERMS = Path(__file__).parent / "screening_terms.yaml"
_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_STRICT = re.compile(r"The user is\s+\S.*?\s+and prefers\s+\S")
_LOOSE = re.compile(r"The user\b.*\bprefer", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)(?<!\betc)(?<!\bvs)[.!?][\"”’)]*\s+(?=[\"“‘(]?[A-Z])")

_RUN = re.compile(r"\w+")
_FILLED = re.compile(r"\w*\{\w+\}\w*")
_ODD_CASE = re.compile("[ſıİ]")  # which a pattern takes for s and i, and lower() does not

Form = Literal["strict", "loose", "other"]


def screen_persona(text: str, *, prompt: str, responses: Sequence[str]) -> tuple[Flag, ...]:
    """Return everything to look at in a persona that was inferred from `prompt` and `responses`.

    The kinds are form, length, copied, protected and harm; a blank persona has the one flag `empty`. Each detail says
    what was found, in words from the persona.
    """
    if not text.strip():
        return (Flag("empty", "There is no persona: nothing readable was answered."),)
    length, text = list(_length_flags(text)), text[:LOOKED_AT]
    flags = [*_form_flags(text), *length, *_copied_flags(text, prompt, responses)]
    for kind in ("protected", "harm"):
        for category, found in found_terms(text, kind).items():
            flags.append(Flag(kind, f"Speaks of {category}: {', '.join(f'“{word}”' for word in found)}."))
    return tuple(flags)


def persona_form(text: str) -> Form:
    """Return how near a persona is to "The user is … and prefers …".

    `strict` begins so; `loose` begins with "The user" and says "prefer", in any form of that word, further on.
    """
    line = " ".join(text.split())
    if _STRICT.match(line):
        return "strict"
    return "loose" if _LOOSE.match(line) else "other"


def longest_shared(text: str, others: Sequence[str]) -> list[str]:
    """Return the longest run of words that `text` shares with one of the others, without case; the first of equals."""
    words = _words(text)
    return max((_longest_run(words, _words(other)) for other in others), key=len, default=[])


def found_terms(text: str, kind: str) -> dict[str, list[str]]:
    """Return, by category of `kind` (protected or harm), the terms in a text as it spells them, each once."""
    found, said = {}, _said(text)
    for category, listed in _listed()[kind].items():
        if (said is None or not said.isdisjoint(listed.clues)) and (words := listed.found(text)):
            found[category] = words
    return found


def _form_flags(text: str) -> Iterator[Flag]:
    form = persona_form(text)
    if form == "loose":
        yield Flag("form", "Says what the user prefers, but not as “The user is … and prefers …”.")
    elif form == "other":
        yield Flag("form", "Does not begin with “The user” and say what the user prefers.")


def _length_flags(text: str) -> Iterator[Flag]:
    count = len(text.split())
    if count < FEWEST_WORDS:
        yield Flag("length", f"Has {count} words; fewer than {FEWEST_WORDS} seldom say what the user prefers.")
    if count > MOST_WORDS:
        yield Flag("length", f"Has {count} words; a short sentence has {MOST_WORDS} at most.")
    sentences = len(_SENTENCE_END.findall(text.strip())) + 1
    if sentences > 1:
        yield Flag("length", f"Has {sentences} sentences; a persona is one.")
    if len(text) > LOOKED_AT:
        yield Flag("length", f"Has {len(text)} characters, of which the first {LOOKED_AT} alone were looked at.")


def _copied_flags(text: str, prompt: str, responses: Sequence[str]) -> Iterator[Flag]:
    words = _words(text)
    if _may_be_copied(words, prompt):
        shared = longest_shared(text, [prompt])
        whole = len(shared) == len(_words(prompt)) and len(" ".join(shared)) >= _SHORTEST_COPIED_PROMPT
        if len(shared) >= COPIED_WORDS or whole:
            yield Flag("copied", f"Shares {_count(shared)} with the prompt: “{' '.join(shared)}”.")
    if any(_may_be_copied(words, response) for response in responses):
        shared = longest_shared(text, responses)
        if len(shared) >= COPIED_WORDS:
            yield Flag("copied", f"Shares {_count(shared)} in a row with a response: “{' '.join(shared)}”.")


def _may_be_copied(words: Sequence[str], other: str) -> bool:
    """Whether COPIED_WORDS of the words stand in a row in the other text too, or all of that one if it is shorter.

    Most personas share none, and then the longest run, which takes far longer to find, need not be looked for.
    """
    there = _words(other)
    least, whole = min(COPIED_WORDS, len(there)), f" {' '.join(there)} "
    runs = (f" {' '.join(words[start : start + least])} " for start in range(len(words) - least + 1))
    return least > 0 and any(run in whole for run in runs)


def _count(words: Sequence[str]) -> str:
    return f"{len(words)} word{'s' if len(words) > 1 else ''}"


def _words(text: str) -> list[str]:
    if text.isascii():  # where that is the same, and quick
        return _WORD.findall(text.lower())
    return [word.casefold().replace("’", "'") for word in _WORD.findall(text)]


def _longest_run(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Return the longest common run, the first of equals."""
    run = SequenceMatcher(None, first, second, autojunk=False).find_longest_match()
    return list(first[run.a : run.a + run.size])


@dataclass(frozen=True)
class _Listed:
    """The terms of one category; `clues` are words of which every text with one of the terms has one."""

    terms: re.Pattern[str]
    exempt: re.Pattern[str] | None
    clues: frozenset[str]

    def found(self, text: str) -> list[str]:
        """Return the terms in a text as it spells them, each once."""
        spans = [match.span() for match in self.exempt.finditer(text)] if self.exempt else []
        words = [
            match[0] for match in self.terms.finditer(text)
            if not any(start <= match.start() and match.end() <= end for start, end in spans)
        ]  # fmt: skip
        return list(dict.fromkeys(words))


@cache
def _listed() -> Mapping[str, Mapping[str, _Listed]]:
    data: dict[str, Any] = yaml.safe_load(_TERMS.read_text(encoding="utf-8"))
    lists = {name: _parted(data.pop(name)) for name in ("people", "nation")}
    return {
        kind: {
            category: _Listed(
                _pattern(entry["terms"], lists),
                _pattern(entry["except"], lists) if "except" in entry else None,
                frozenset(_clues(entry["terms"], lists)),
            )
            for category, entry in categories.items()
        }
        for kind, categories in data.items()
    }


def _clues(terms: str, lists: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield one word of each term, with and without the ending of a plural: a rare one, to be a clue to few texts.

    A nation is rarer than what stands beside it ("is {nation}"), and "user", of people, is in every persona.
    """
    for term in _parted(terms):
        own = _RUN.findall(_FILLED.sub("", term))
        words = lists["nation"] if "{nation}" in term else [max(own, key=len)] if own else lists["people"]
        for word in words:
            yield from (word, f"{word}s")


def _said(text: str) -> set[str] | None:
    """Return the words of a text that clues can be among; None where case is too odd to tell."""
    return None if _ODD_CASE.search(text) else set(_RUN.findall(text.lower()))


def _parted(terms: str) -> list[str]:
    return [term.strip() for term in terms.split(",")]


def _pattern(terms: str, lists: Mapping[str, Sequence[str]]) -> re.Pattern[str]:
    """Return a pattern for any of the terms or its plural, as whole words. Longer terms are tried first."""
    spelled = [_spelled(term, lists) for term in sorted(_parted(terms), key=len, reverse=True)]
    return re.compile(rf"(?<![\w-])(?:{'|'.join(spelled)})s?(?![\w-])", re.IGNORECASE)


def _spelled(term: str, lists: Mapping[str, Sequence[str]]) -> str:
    pattern = r"\s+".join(re.escape(word) for word in term.split())
    for name, words in lists.items():
        pattern = pattern.replace(re.escape(f"{{{name}}}"), f"(?:{'|'.join(map(re.escape, words))})")
    return pattern.replace(re.escape("{number}"), r"\d+")
