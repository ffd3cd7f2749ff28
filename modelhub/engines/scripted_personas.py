"""Take a persona apart into a trait and a preference, as far as its wording allows. Used by the scripted engine."""

import re
from dataclasses import dataclass

MAX_PART = 140  # characters; a longer part would drown the scripted sentence it is put into

_TRAIT_OPENINGS = re.compile(r"^(?:(?:the|this|a) user(?: is|'s|’s)|user is|i am|i['’]m)\s+", re.IGNORECASE)
_SUBJECT = re.compile(r"^(?:(?:the|this|a) user|user|i)\s+(?=\w)", re.IGNORECASE)
_LEAD = r"(?:^|[\s,;.]+)(?:(?:and|but|who|so|which|that|i|also|really|usually|generally|always|they|he|she)[\s,]+)*"
_PREFERS = re.compile(_LEAD + r"(?:prefer(?:s|ring)?|would rather have)\s+", re.IGNORECASE)
_LIKES = re.compile(
    _LEAD + r"(?:prioriti[sz](?:es?|ing)|valu(?:es?|ing)|would like|lik(?:es?|ing)|want(?:s|ing)?|lov(?:es?|ing)|"
    r"enjoy(?:s|ing)?|appreciat(?:es?|ing)|need(?:s|ing)?|seek(?:s|ing)?|favou?r(?:s|ing)?)\s+",
    re.IGNORECASE,
)
_SECOND_PERSON = {
    "my": "your", "me": "you", "myself": "yourself", "mine": "yours", "their": "your", "them": "you",
    "themselves": "yourself", "i": "you", "they": "you", "am": "are",
}  # fmt: skip


@dataclass(frozen=True)
class PersonaParts:
    """`trait` reads well after "you are", `preference` after "you prefer"; both are never empty."""

    trait: str
    preference: str


def persona_parts(persona: str) -> PersonaParts:
    """Return the trait and the preference a persona states, in the second person.

    Knows "The user is … and prefers …", "The user values …, preferring …", the first person, and falls back to
    the whole text as a preference for anything else.
    """
    sentence = " ".join(persona.split())
    match = _PREFERS.search(sentence) or _LIKES.search(sentence)
    trait = _trait(sentence[: match.start()] if match else sentence)
    preference = sentence[match.end() :] if match else ("" if trait else sentence)
    return PersonaParts(
        trait=_tidy(trait) or "someone who knows what helps you",
        preference=_tidy(preference) or "answers that fit your own situation",
    )


def _trait(text: str) -> str:
    if _TRAIT_OPENINGS.match(text):
        return _TRAIT_OPENINGS.sub("", text)
    rest = _SUBJECT.sub("", text)
    # "The user has two children and prefers …": not a trait that fits after "you are".
    return f"someone who {rest}" if rest != text and re.match(r"(?:has|lives|works|studies)\b", rest) else ""


def _tidy(text: str) -> str:
    words = re.sub(r"[A-Za-z]+", lambda match: _SECOND_PERSON.get(match[0].lower(), match[0]), text)
    first = re.split(r"[.!?;](?:\s|$)", words, maxsplit=1)[0].strip(" ,:-\"'")
    if len(first) <= MAX_PART:
        return first
    return first[:MAX_PART].rsplit(" ", 1)[0].rstrip(" ,:;-")
