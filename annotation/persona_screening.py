"""Screen a persona by rules: instructions to the model, what tells who somebody is, harm. Pure functions.

A finding is for a person to judge. Rules look for what hardly stands in a description of somebody: "prefers
step-by-step instructions" and "is a prompt engineer" are fine. Characters that show nothing hide nothing from them.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from annotation.persona_terms import HARMFUL_TERMS

KINDS = ("instructions", "identifying", "harmful")
MAX_DETAIL = 200  # characters, as in PersonaFinding.detail
_QUOTED = 120  # characters of the persona in a detail

_BEFORE = "previous|prior|above|earlier|preceding"
_EARLIER = rf"(?:(?:all|any|every|the|your|my|these|those|of) |{_BEFORE}|other|following| )"
_ORDERS = r"(?:instructions?|prompts?|rules|guidelines|directions|messages?|context|system prompt)"
_LABEL = r"(?:response|answer|prompt|persona|instruction|system|assistant|user|human|ai|model|system message|output)"
_INSTRUCTIONS = {
    "Tells the model to ignore what it was told": (
        rf"\b(?:ignore|disregard|override|bypass)\s+{_EARLIER}+{_ORDERS}\b",
        rf"\bforget\s+{_EARLIER}*(?:your|these|{_BEFORE})\s+{_EARLIER}*{_ORDERS}\b",
        r"\b(?:ignore|disregard|forget)\s+(?:everything|all|anything)\s+(?:above|before|you|that)\b",
        r"\bdo not (?:follow|obey)\s+(?:\w+\s+){0,3}(?:instructions?|rules|prompt)\b",
    ),
    "Gives the model another role": (
        (r"(?:^|[.!?\n]\s*)(?:from now on,? )?(?:(?:you are|you're) (?:now|an?|not|no longer|the)|"
        r"act as|pretend (?:to be|you)|you (?:must|shall|will) now)\b"),
        r"\b(?:developer|jailbreak|dan|god) mode\b|\bdo anything now\b|\bnew instructions?\s*:",
        r"\b(?:reveal|print|repeat|show|output)\s+(?:me\s+)?(?:your|the)\s+(?:system )?(?:prompt|instructions)\b",
    ),
    "Begins a field of the prompt": (
        rf"(?:^|\n|[.!?]\s+)[#>*\s]*{_LABEL}\s*(?:message)?\s*[:：]",
        r"###\s*(?:instructions?|response|system|input|user|assistant)\b",
    ),
    "Holds marks of a model's turns": (
        r"<\s*[|｜][^<>\n]{1,40}[|｜]\s*>|</?s>|\[/?INST\]|<</?SYS>>|</?(?:start|end)_of_turn>|<(?:bos|eos|eot)>",
    ),
    "Dictates the answer's words": (
        (r"(?:^|[.!?;:\n]\s*)(?:please\s+)?(?:always |only |just )*(?:say|write|print|output|repeat|begin|"
        r"start|end|reply|respond|answer)\s+(?:\w+\s+){0,4}"
        r"(?:with|exactly|only with|verbatim|the (?:exact )?(?:words?|phrase|sentence|following))\b"),
        (r"\b(?:say|write|output|print|repeat|reply|respond|answer|begin|start|end)s?\s+(?:\w+\s+){0,5}"
        r"(?:word[- ]for[- ]word|verbatim|exactly (?:this|these|the following|as follows))\b"),
        (r"\b(?:the|your|its|every|each) (?:response|answer|output|reply) (?:must|shall|has to) "
        r"(?:\w+\s+){0,2}(?:begin|start|end|say|consist|repeat)\b"),
    ),
}  # fmt: skip
_NAME = r"[A-ZÀ-ÞŁŠŽ][\w'’-]+"
_STREET = r"(?i:street|st\.|road|rd\.|avenue|ave\.?|lane|drive|boulevard|blvd\.?|way|close|court|square|terrace|place)"
_IDENTIFYING = {
    "an e-mail address": (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-zA-Z]{2,}",),
    "a web address": (
        r"(?i:\bhttps?://\S+|\bwww\.\S+\.\S+)",
        r"(?i:\b(?:facebook|instagram|linkedin|github|twitter|x|tiktok)\.com/\S+)",
    ),
    "a phone number": (
        r"(?<![\w.])\+\d[\d ()./-]{7,17}\d(?!\w)",
        r"(?<![\w.-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])",
        r"(?i:\b(?:phone|mobile|cell|tel(?:ephone)?|call me|whatsapp|number)\b\.?[^\d\n]{0,20})\+?\d[\d ()./-]{5,17}\d",
    ),
    "a street address": (
        rf"\b\d{{1,5}}[a-zA-Z]?,? (?:{_NAME} ){{1,3}}{_STREET}(?!\w)",
        r"\b[A-ZÄÖÜ][a-zäöüß]+(?:straße|strasse|str\.|weg|allee|platz|gasse) \d{1,4}[a-z]?\b",
        r"(?i:\bp\.? ?o\.? box \d+)",
    ),
    "a full name": (
        (rf"\b(?i:my (?:full |real )?name is|i am called|i'm called|called|named|name:|"
        rf"(?:whose|his|her|their) (?:full )?name is) {_NAME} (?:{_NAME} |[A-Z]\. )*{_NAME}"),
    ),
    "a name on a social network": (
        r"(?<![\w@./])@(?=\w*[\d_.])[A-Za-z][\w.]{2,28}\w(?!\w)",
        (r"(?i:\b(?:instagram|twitter|tiktok|snapchat|discord|telegram|reddit|facebook)\b ?"
        r"(?:handle|name|user ?name|account|id)? ?(?:is|:) ?@?)[\w.#-]{3,}"),
        r"\bu/[A-Za-z]\w{2,}",
    ),
    "a card or account number": (
        r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,4})?\b",
        r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)",
        (r"(?i:\b(?:passport|id|identity|licen[cs]e|insurance|social security|ssn|account|card)\b"
        r"[^\d\n]{0,15}(?:no\.?|number|nr\.?|#|is|:)[^\d\n]{0,6})(?=[A-Z -]*\d)[A-Z\d][A-Z\d -]{4,}[A-Z\d]"),
    ),
}  # fmt: skip
_TAGS_START = 0xE0000
_TAGS = re.compile("[\U000e0020-\U000e007e]")
_FLAGS = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f")
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")


@dataclass(frozen=True)
class ScreeningFinding:
    """One thing found in a persona: its kind, and what it is in words that quote the persona."""

    kind: str
    detail: str


def screen_text(text: str) -> tuple[ScreeningFinding, ...]:
    """Return everything found in a persona: of each rule its first find, in a fixed order."""
    plain = _plain(text)
    found = [ScreeningFinding("instructions", _detail(what, quote)) for what, quote in _unseen(text)]
    for kind, search in (("instructions", _instructions), ("identifying", _identifying), ("harmful", _harmful)):
        found += [ScreeningFinding(kind, _detail(what, quote)) for what, quote in search(plain)]
    return tuple(found)


def _plain(text: str) -> str:
    """Return the text as it is read: wide forms as the usual ones, without what shows nothing, line ends as "\\n"."""
    lines = "\n".join(text.splitlines())
    seen = (one for one in unicodedata.normalize("NFKC", lines) if unicodedata.category(one) != "Cf")
    return "".join(seen).replace("’", "'")


def _detail(what: str, quote: str) -> str:
    quote = " ".join(quote.split())
    return f"{what}: “{quote if len(quote) <= _QUOTED else quote[: _QUOTED - 1] + '…'}”."[:MAX_DETAIL]


def _unseen(text: str) -> Iterator[tuple[str, str]]:
    """Yield what is spelt out in tag characters, which nobody sees and models read; some flags are made of them."""
    hidden = "".join(chr(ord(one) - _TAGS_START) for one in _TAGS.findall(_FLAGS.sub("", text)))
    if hidden.strip():
        yield "Holds words that nobody sees", hidden


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    yield from _first_finds(text, "instructions")


def _identifying(text: str) -> Iterator[tuple[str, str]]:
    for what, quote in _first_finds(text, "identifying"):
        yield f"Holds {what}", quote
    for match in _CARD.finditer(text):
        if _is_card(match[0]):
            yield "Holds a card number", match[0]
            return


def _harmful(text: str) -> Iterator[tuple[str, str]]:
    for what, quote in _first_finds(text, "harmful"):
        yield f"Seems to hold {what}", quote


def _first_finds(text: str, kind: str) -> Iterator[tuple[str, str]]:
    for what, patterns in _patterns()[kind].items():
        match = next((found for pattern in patterns if (found := pattern.search(text))), None)
        if match:
            yield what, match[0]


def _is_card(number: str) -> bool:
    """Whether the digits pass the check of card numbers (Luhn)."""
    digits = [int(one) for one in number if one.isdigit()][::-1]
    return sum(digits[::2]) % 10 == -sum(sum(divmod(2 * one, 10)) for one in digits[1::2]) % 10


@cache
def _patterns() -> dict[str, dict[str, tuple[re.Pattern[str], ...]]]:
    whole = {what: tuple(rf"(?<!\w)(?:{term})(?!\w)" for term in terms) for what, terms in HARMFUL_TERMS.items()}
    kinds = {"instructions": (_INSTRUCTIONS, re.I), "identifying": (_IDENTIFYING, 0), "harmful": (whole, re.I)}
    return {
        kind: {what: tuple(re.compile(one, flags) for one in ones) for what, ones in rules.items()}
        for kind, (rules, flags) in kinds.items()
    }
