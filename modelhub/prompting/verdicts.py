"""Read the verdict out of what a judge or a guard wrote: one grammar for all of them. Pure functions.

A verdict that cannot be read is unscored, with the reason: it is never a win, a loss or a tie. Only what is declared
counts ("Verdict: A", "[RESULT] B", a last line that holds nothing else); what might be guessed from prose does not. An
answer that takes its verdict back, or goes on with a task that nobody gave it, has none. docs/persona-inference.md says
the same to people; tests/modelhub/prompting/test_verdicts.py is a table of examples.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from modelhub.prompting.answers import after_thoughts
from modelhub.prompting.endings import before_end

TIE = "tie"
CUT_OFF = "The answer was cut off before a verdict."

# What a line says is read without its marks; these are declarations in marks.
_MARKED = re.compile(r"\[result\]\s*:?|\\boxed\b|<(?:verdict|answer|result)>", re.IGNORECASE)
_TOKENS = re.compile(r"<\|\w*\|>|<(?:s|bos|pad)>")
_MARKS = re.compile(r"</\w+>|[*_`\"“”„«»‹›#$()\[\]{}<>【】「」『』《》〈〉〔〕]|(?<!\w)['‘’‚]|['’](?!\w)")
# A bracket that ends what is said of a choice holds its reason: "A (it is brief)", not "A (better) response would be".
_REASON = re.compile(
    r"(?<![\w'’])(?P<value>[A-Za-z]|tied?|draw|neither|both|(?:un)?safe)(?P<marks>[*_`\"”)\]}]*)\s*"
    r"[(\[{](?P<why>\s*\w[^()\[\]{}]*)(?:[)\]}]|$)(?=\W*$|\s*[.,;:!])",
    re.IGNORECASE,
)
REASONS = "\ue000"  # stands before a reason that was in brackets; no answer has it, since such characters are left out
_SELECTORS = re.compile("[\ufe00-\ufe0f\u20e3]")  # of emoji

_LABEL = r"(?:verdict|answer|choice|decision|judge?ment|preference|winner|result)"
_OPENING = rf"^(?:[-•]\s*)?(?:\d\.\s*)?(?:(?:my|the)\s+)?(?:(?:final|overall)\s+)?{_LABEL}"
_NOUN = r"(?:(?:the|response|option|persona|assistant|candidate|output|model|answer|text|completion|reply)\s+)*"
_VALUE = r"(?P<{}>[a-z]|\d+|tied?|draw|equal|both|neither)"
_FIRST = _NOUN + _VALUE.format("first")
_DECLARATION = re.compile(
    rf"(?P<formal>{_OPENING}\s*(?:[:=→]|[-=]>|[-–—](?=\s)|(?=\s{_NOUN}[a-z]\s*[.!]?$)))|\b{_LABEL}\s*(?:[:=]|is\b:?)",
    re.IGNORECASE,
)
_BARE = re.compile(rf"{_FIRST}\s*[.!,]?(?P<rest>\s*{REASONS}.*)?", re.IGNORECASE)
# After a choice comes an end, or the reasons for it: "A better response would be …" chooses nothing, nor does what says
# that A is the worse one.
_CHOICE = re.compile(
    rf"{_FIRST}(?:\s*$|\s*[.,;:!–—{REASONS}-](?!\w)"
    r"|\s+(?:is(?!\s+(?:\w+\s+){0,2}(?:not|no|never|worse|worst|inferior|weaker))|wins|because|since)\b)",
    re.IGNORECASE,
)
_TWO = re.compile(
    rf"{_FIRST}\s*(?:[/|&,]|or\b|and\b)\s*{_NOUN}{_VALUE.format('second')}\s*[.!]?\s*$", re.IGNORECASE
)  # fmt: skip
_TIES = frozenset({"tie", "tied", "draw", "equal", "both", "neither"})

# Words by which a judge takes back what it has said.
_SECOND_THOUGHT = (
    r"(?:on (?:reflection|second thoughts?|closer \w+|balance)|reconsider\w*|actually|wait|hmm+|however|correction|"
    r"sorry|after all|chang\w+ my|revis\w+|i mean|scratch that|make (?:it|that)|or rather)"
)
_CHANGED = re.compile(rf"\b{_SECOND_THOUGHT}\b", re.IGNORECASE)
# The next task, or the next turn, as a model writes it that does not stop.
_TASK = re.compile(
    r"(?:[-•]\s*)?(?:(?:new|next|another)\s+)?(?:prompt|instructions?|task(?: description)?|question|example|input|"
    r"text|human|user|pair)(?:\s+\d+)?\s*:|your task is\b|you are given\b|below are\b",
    re.IGNORECASE,
)
_TURN = re.compile(r"<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>|\[INST\]|<\|user\|>")
_NEXT_TURN = "User:"


@dataclass(frozen=True)
class ParsedVerdict:
    """What was chosen, one of the values allowed; or "" for an answer that is unscored, and why it is."""

    value: str
    reason: str = ""


@dataclass(frozen=True)
class _Declared:
    """What one declaration names: one choice, two that contradict, or none; and the words that follow a choice."""

    line: int
    values: frozenset[str]
    rest: str = ""
    formal: bool = True


def parse_verdict(text: str, allowed: Sequence[str] = ("A", "B"), *, is_cut: bool = False) -> ParsedVerdict:
    """Return the last verdict declared in a judge's answer.

    An answer is unscored if it declares none, if its last verdict is none of `allowed` or cannot be read, if the line
    of its last verdict names more than one, if that contradicts another verdict or what follows it, and if a further
    task follows. An earlier verdict is no contradiction where the judge says that it has thought again. Words for a tie
    are read as "tie", where that is allowed. Of an answer that was cut off at its greatest length (`is_cut`) the
    reason says so.
    """
    lines = answer_lines(text)
    if lines is None:
        return ParsedVerdict("", "The answer ends inside its reasoning.")
    declared = list(_declared(lines, allowed))
    if not declared:
        return ParsedVerdict("", CUT_OFF if is_cut else "No verdict is declared.")
    first = next((one for one in declared if one.formal), declared[0])
    if any(map(is_another_task, lines[first.line + 1 :])):
        return ParsedVerdict("", "Another task follows the verdict.")
    last_line = declared[-1].line
    values = {value for one in declared if one.line == last_line for value in one.values}
    if len(values) > 1:
        return ParsedVerdict("", "The last verdict names more than one choice.")
    if not values:
        return ParsedVerdict("", "The last verdict cannot be read.")
    value = _allowed(values.pop(), allowed)
    if not value:
        return ParsedVerdict("", f"The verdict is none of {', '.join(allowed)}.")
    if _is_contradicted(value, declared, lines, allowed):
        return ParsedVerdict("", "The verdict is contradicted.")
    return ParsedVerdict(value)


def answer_lines(text: str) -> list[str] | None:
    """Return what an answer says line by line, without its dress; None if it ends inside its reasoning.

    Dress is reasoning between tags, what stands behind an end token, Markdown, quotes and brackets, emoji, and
    full-width letters. Empty lines are left out.
    """
    answer = after_thoughts(text)
    if answer is None:
        return None
    answer = unicodedata.normalize("NFKC", _TURN.sub(f"\n{_NEXT_TURN}\n", before_end(answer)))
    lines = (_MARKED.sub("Verdict: ", line) for line in _undecorated(_TOKENS.sub(" ", answer)).splitlines())
    lines = (_MARKS.sub(" ", _REASON.sub(rf"\g<value>\g<marks> {REASONS} \g<why> ", line)) for line in lines)
    return [plain for line in lines if (plain := " ".join(line.split()))]


def _undecorated(text: str) -> str:
    """Return a text without joiners and other unseen characters, and with a blank for each emoji."""
    kinds = ((char, unicodedata.category(char)) for char in _SELECTORS.sub("", text))
    return "".join(" " if kind == "So" else char for char, kind in kinds if kind not in ("Cf", "Co"))


def is_another_task(line: str) -> bool:
    """Return whether a line of `answer_lines` begins a task that was not set: a prompt, a question, a turn."""
    return _TASK.match(line) is not None


def _declared(lines: Sequence[str], allowed: Sequence[str]) -> Iterator[_Declared]:
    """Yield every declaration, in order."""
    for number, line in enumerate(lines):
        starts = list(_DECLARATION.finditer(line))
        for start, following in zip(starts, [*starts[1:], None], strict=False):
            said = line[start.end() : following.start() if following else None].strip().removesuffix(" or")
            if not said and number + 1 < len(lines):
                said = lines[number + 1]
            choices, rest = _choices(said)
            # "The answer is not easy" is prose; a line that begins with "Verdict:" declares something.
            if choices or start["formal"] is not None:
                yield _Declared(number, choices, rest, formal=start["formal"] is not None)
    if lines and (bare := _BARE.fullmatch(lines[-1])):
        value = bare["first"]
        if value.isupper() or len(value) > 1 or _allowed(value.casefold(), allowed):
            yield _Declared(len(lines) - 1, frozenset({value.casefold()}), bare["rest"] or "")


def _choices(said: str) -> tuple[frozenset[str], str]:
    if two := _TWO.match(said):
        return frozenset({two["first"].casefold(), two["second"].casefold()}), ""
    if one := _CHOICE.match(said):
        return frozenset({one["first"].casefold()}), said[one.end("first") :]
    return frozenset(), ""


def _is_contradicted(value: str, declared: Sequence[_Declared], lines: Sequence[str], allowed: Sequence[str]) -> bool:
    """Return whether another verdict, or words behind the last one, say something else than `value`."""
    last = declared[-1].line
    earlier = [one for one in declared if one.line < last and one.formal]
    others = [one.line for one in earlier if {_allowed(said, allowed) for said in one.values} - {value}]
    if others and not any(_CHANGED.search(line) for line in lines[others[-1] : last + 1]):
        return True
    behind = [one.rest for one in declared if one.line == last] + list(lines[last + 1 :])
    against = _against(tuple(choice for choice in allowed if choice != value))
    return any(against.search(words) for words in behind)


@lru_cache(maxsize=16)
def _against(others: tuple[str, ...]) -> re.Pattern[str]:
    """Return what finds that one of the others is chosen after all: "or B", "no, B", "B is better", "B" alone."""
    other = rf"{_NOUN}(?:{'|'.join(map(re.escape, others))})"
    return re.compile(
        rf"^\W*(?:or|maybe|perhaps)\W+(?:maybe\W+|perhaps\W+)?{other}\b|^\W*{other}\W*$"
        rf"|\b(?:{_SECOND_THOUGHT}|no)\W+(?:(?:i\s+(?:choose|prefer|pick)|it(?:['’]s|\s+is)|the\s+\w+\s+is)\s+)?{other}\b"
        rf"|\b{other}\s+(?:wins|(?:is|was)\s+(?:\w+ly\s+|much\s+|the\s+)*(?:better|best|winner|superior|preferable|"
        r"preferred|stronger)(?:\s+(?:one|choice|response|option|answer|persona))?)\s*(?:[.!;,]|$)",
        re.IGNORECASE,
    )


def _allowed(value: str, allowed: Sequence[str]) -> str:
    """Return the allowed spelling of a value, "" if there is none."""
    meant = TIE if value in _TIES else value
    return next((choice for choice in allowed if choice.casefold() == meant), "")
