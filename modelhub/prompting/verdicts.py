"""Read the verdict out of what a judge wrote. Pure functions.

A verdict that cannot be read is unscored, with the reason: it is never a win, a loss or a tie. Only what is declared
counts ("Verdict: A", "[RESULT] B", a last line that holds nothing else); what might be guessed from prose does not.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelhub.prompting.answers import after_thoughts

TIE = "tie"

# What a line says is read without its marks; these are declarations in marks.
_MARKED = re.compile(r"\[result\]\s*:?|\\boxed\b|<(?:verdict|answer|result)>", re.IGNORECASE)
_MARKS = re.compile(r"</\w+>|[*_`\"“”#$()\[\]{}<>]|(?<!\w)['‘’]|['’](?!\w)")
_LABEL = r"(?:verdict|answer|choice|decision|judge?ment|preference|winner|result)"
_DECLARATION = re.compile(
    rf"(?P<formal>^(?:[-•]\s*)?(?:\d\.\s*)?(?:(?:my|the)\s+)?(?:(?:final|overall)\s+)?{_LABEL}\s*[:：=])"
    rf"|\b{_LABEL}\s*(?:[:：=]|is\b:?)",
    re.IGNORECASE,
)
_NOUN = r"(?:(?:the|response|option|persona|assistant|candidate)\s+)*"
_VALUE = r"(?P<{}>[a-z]|\d+|tied?|draw|equal|both|neither)"
_FIRST = _NOUN + _VALUE.format("first")
_BARE = re.compile(rf"{_FIRST}\s*[.!,;]?", re.IGNORECASE)
# After a choice comes an end, or the reasons for it: "A better response would be …" chooses nothing.
_CHOICE = re.compile(rf"{_FIRST}(?:\s*$|\s*[.,;:!–—-](?!\w)|\s+(?:is|wins|because|since)\b)", re.IGNORECASE)
_TWO = re.compile(
    rf"{_FIRST}\s*(?:[/|&,]|or\b|and\b)\s*{_NOUN}{_VALUE.format('second')}\s*[.!]?\s*$", re.IGNORECASE
)  # fmt: skip
_TIES = frozenset({"tie", "tied", "draw", "equal", "both", "neither"})


@dataclass(frozen=True)
class ParsedVerdict:
    """What was chosen, one of the values allowed; or "" for an answer that is unscored, and why it is."""

    value: str
    reason: str = ""


def parse_verdict(text: str, allowed: Sequence[str] = ("A", "B")) -> ParsedVerdict:
    """Return the last verdict declared in a judge's answer.

    An answer is unscored if it declares none, if its last verdict is none of `allowed` or cannot be read, and if the
    line of its last verdict names more than one. Words for a tie are read as "tie", where that is allowed.
    """
    answer = after_thoughts(text)
    if answer is None:
        return ParsedVerdict("", "The answer ends inside its reasoning.")
    declared = list(_declared(_plain_lines(answer)))
    if not declared:
        return ParsedVerdict("", "No verdict is declared.")
    last_line = declared[-1][0]
    values = {value for line, found in declared if line == last_line for value in found}
    if len(values) > 1:
        return ParsedVerdict("", "The last verdict names more than one choice.")
    if not values:
        return ParsedVerdict("", "The last verdict cannot be read.")
    value = _allowed(values.pop(), allowed)
    return ParsedVerdict(value) if value else ParsedVerdict("", f"The verdict is none of {', '.join(allowed)}.")


def _plain_lines(text: str) -> list[str]:
    lines = (_MARKS.sub(" ", _MARKED.sub("Verdict: ", line)) for line in text.splitlines())
    return [plain for line in lines if (plain := " ".join(line.split()))]


def _declared(lines: Sequence[str]) -> Iterator[tuple[int, frozenset[str]]]:
    """Yield, for every declaration, its line and the choices it names: one, two that contradict, or none."""
    for number, line in enumerate(lines):
        starts = list(_DECLARATION.finditer(line))
        for start, following in zip(starts, [*starts[1:], None], strict=False):
            said = line[start.end() : following.start() if following else None].strip().removesuffix(" or")
            if not said and number + 1 < len(lines):
                said = lines[number + 1]
            choices = _choices(said)
            # "The answer is not easy" is prose; a line that begins with "Verdict:" declares something.
            if choices or start["formal"]:
                yield number, choices
    if lines and (bare := _BARE.fullmatch(lines[-1])) and (bare["first"].isupper() or len(bare["first"]) > 1):
        yield len(lines) - 1, frozenset({bare["first"].casefold()})


def _choices(said: str) -> frozenset[str]:
    if two := _TWO.match(said):
        return frozenset({two["first"].casefold(), two["second"].casefold()})
    one = _CHOICE.match(said)
    return frozenset({one["first"].casefold()}) if one else frozenset()


def _allowed(value: str, allowed: Sequence[str]) -> str:
    """Return the allowed spelling of a value, "" if there is none."""
    meant = TIE if value in _TIES else value
    return next((choice for choice in allowed if choice.casefold() == meant), "")
