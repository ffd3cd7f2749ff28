"""Advice on a persona while it is being written. Hints, never walls: a participant may always go on."""

import re
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

SHORT_WORDS = 6
LONG_WORDS = 60

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_FORM = re.compile(
    r"\b(the user|i am|i'm|i)\b.*\b(prefer|prefers|preferring|like|likes|want|wants|value|values)\b", re.I | re.S
)

# Groups that equality laws protect in most countries. Naming one is allowed; the hint asks whether it is needed.
_PROTECTED = {
    "religion": (
        r"christian|catholic|protestant|muslim|islam\w*|jew|jewish|hindu|buddhist|sikh|atheist|religio\w*|church|mosque"
    ),
    "ethnicity or nationality": (
        r"black|white|asian|latin[oax]|hispanic|african|european|arab|indian|chinese|mexican|immigrant\w*|race|racial"
    ),
    "gender": r"man|woman|male|female|boy|girl|non-?binary|transgender|trans|gender",
    "sexual orientation": r"gay|lesbian|bisexual|homosexual|heterosexual|straight person|queer",
    "disability or health": (
        r"disabled|disability|autis\w+|adhd|blind|deaf|wheelchair|depress\w+|diabet\w+|illness|pregnan\w+"
    ),
    "age": r"\d+[- ]years?[- ]old|elderly|old person|senior citizen|teenager",
    "politics": r"republican|democrat|conservative party|left-wing|right-wing|liberal party",
}
_PROTECTED_PATTERNS = {name: re.compile(rf"\b(?:{words})\b", re.I) for name, words in _PROTECTED.items()}


@dataclass(frozen=True)
class Advice:
    """One hint. `key` names the rule, `is_met` whether the text follows it already."""

    key: str
    is_met: bool
    text: str


def persona_advice(text: str) -> list[Advice]:
    """Return the hints for a persona as it stands, in a fixed order, each with whether it is met.

    The rules know English only: on other pages the hints that need them stand there without being met or missed.
    """
    words = _count_words(text)
    if get_language() not in (None, settings.LANGUAGE_CODE):
        return [
            Advice("form", False, _("Says who the person is and what they prefer.")),
            Advice("length", SHORT_WORDS <= words <= LONG_WORDS, _length_hint(words)),
            Advice("protected", False, _protected_hint([])),
        ]
    protected = [name for name, pattern in _PROTECTED_PATTERNS.items() if pattern.search(text)]
    return [
        Advice(
            "form",
            bool(_FORM.search(text)),
            "Says who the person is and what they prefer: “The user is … and prefers …” or “I am … and prefer …”.",
        ),
        Advice("length", SHORT_WORDS <= words <= LONG_WORDS, _length_hint(words)),
        Advice("protected", not protected, _protected_hint(protected)),
    ]


def _count_words(text: str) -> int:
    """Return how many words a text has; Chinese, which puts no blanks between them, has about two characters each."""
    characters = len(_CHINESE.findall(text))
    return len(_CHINESE.sub(" ", text).split()) + (characters + 1) // 2


def _length_hint(words: int) -> str:
    if words > LONG_WORDS:
        text = ngettext(
            "One or two sentences are enough (%(count)s word so far).",
            "One or two sentences are enough (%(count)s words so far).",
            words,
        )
    elif words and words < SHORT_WORDS:
        text = ngettext(
            "A few more words help: what should an answer for this person be like? (%(count)s so far.)",
            "A few more words help: what should an answer for this person be like? (%(count)s so far.)",
            words,
        )
    else:
        text = ngettext(
            "One or two sentences (%(count)s word so far).", "One or two sentences (%(count)s words so far).", words
        )
    return text % {"count": words}


def _protected_hint(protected: list[str]) -> str:
    if protected:
        return (
            f"Seems to mention {' and '.join(protected)}. Describe interests and needs instead, unless it matters here."
        )
    return _("Describes interests, needs and habits, not religion, origin, gender, health or age.")
