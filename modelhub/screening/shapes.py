"""The shape of a text, by which people could tell arms apart whatever they say: Markdown, length, script. Pure."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from modelhub.screening.flags import Flag

FEWEST = 3  # texts of each arm, below which shares say nothing
SHARE_APART = 0.5  # between the arm with most and the arm with fewest
SHARE_ALONE = 0.3  # where the other arm has none
LENGTH_APART = 3.0  # times, between the medians of arms
PAIR_APART, PAIR_WORDS = 10.0, 50  # times, between texts of one pair of which the longer has so many words
_LETTERS = 2000  # looked at for the script
_FEW_LETTERS = 20  # of Latin script say none
FEATURES: Mapping[str, re.Pattern[str]] = {
    "markdown": re.compile(r"^#{1,6} \S|\*\*[^*\n]+\*\*|^\|.+\|[ \t]*$|\[[^]\n]+\]\(\S+\)|```|^> \S", re.MULTILINE),
    "lists": re.compile(r"^[ \t]*(?:[-*+•]|\d{1,2}[.)])[ \t]+\S", re.MULTILINE),
    "code": re.compile(r"^[ \t]*(?:```|~~~)|`[^`\n]+`", re.MULTILINE),
    "emoji": re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]"),
}
# The kinds of flags as pages say them.
KINDS = (
    gettext_noop("Markdown"), gettext_noop("Lists"), gettext_noop("Code"), gettext_noop("Emoji"),
    gettext_noop("Length"), gettext_noop("Script"),
)  # fmt: skip
# Scripts that one language writes side by side count as one.
_ALIKE = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "IDEOGRAPHIC": "CJK", "FULLWIDTH": "LATIN", "HALFWIDTH": "CJK"}


@dataclass(frozen=True)
class TextShape:
    """What a text looks like: its features, its words, and the script that most of its letters are in."""

    features: frozenset[str]
    words: int
    script: str


@dataclass(frozen=True)
class ArmShape:
    """The texts of one arm: how many, the share with each feature, the median of words, the most frequent script."""

    code: str
    texts: int
    shares: Mapping[str, float]  # by feature, in the order of FEATURES
    words: float
    script: str

    @property
    def percents(self) -> list[str]:
        """The shares as a table says them."""
        return [f"{self.shares[name]:.0%}" for name in FEATURES]


def shape_of(text: str) -> TextShape:
    """Return the shape of a text. A character of a script without blanks between words counts as a word."""
    features = frozenset(name for name, pattern in FEATURES.items() if pattern.search(text))
    spaced = sum(any(char.isalnum() for char in word) for word in re.sub(_UNSPACED, " ", text).split())
    return TextShape(features, spaced + len(re.findall(_UNSPACED, text)), _script(text))


_UNSPACED = "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"


def _script(text: str) -> str:
    counts: Counter[str] = Counter()
    for char in text[: 4 * _LETTERS]:
        if char.isalpha():
            first = unicodedata.name(char, "").split(" ")[0].split("-")[0]
            counts[_ALIKE.get(first, first)] += 1
    most = counts.most_common(1)[0][0] if counts else ""
    # "OK" and "No." stand in texts of every script.
    return "" if most == "LATIN" and counts.total() < _FEW_LETTERS else most


def arm_shape(code: str, shapes: Sequence[TextShape]) -> ArmShape:
    """Return what the texts of an arm look like together."""
    count = max(len(shapes), 1)
    shares = {name: sum(name in one.features for one in shapes) / count for name in FEATURES}
    scripts = Counter(one.script for one in shapes if one.script)
    script = scripts.most_common(1)[0][0] if scripts else ""
    return ArmShape(code, len(shapes), shares, median(one.words for one in shapes) if shapes else 0.0, script)


def telling_shapes(arms: Sequence[ArmShape]) -> list[Flag]:
    """Return by what the arms of a study can be told apart without reading them."""
    if len(arms) < 2 or min(arm.texts for arm in arms) < FEWEST:
        return []
    flags = []
    for name in FEATURES:
        most, least = (pick(arms, key=lambda arm: arm.shares[name]) for pick in (max, min))
        apart = SHARE_APART if least.shares[name] else SHARE_ALONE
        if most.shares[name] - least.shares[name] >= apart:
            values = {"most": most.code, "share": f"{most.shares[name]:.0%}", "least": least.code,
                      "other": f"{least.shares[name]:.0%}"}  # fmt: skip
            said = _("In %(share)s of the texts of %(most)s, and in %(other)s of those of %(least)s.") % values
            flags.append(Flag(name, said))
    longest, shortest = (pick(arms, key=lambda arm: arm.words) for pick in (max, min))
    if longest.words >= LENGTH_APART * max(shortest.words, 1):
        values = {"longest": longest.code, "words": f"{longest.words:.0f}", "shortest": shortest.code,
                  "fewer": f"{shortest.words:.0f}"}  # fmt: skip
        said = (
            _("Half of the texts of %(longest)s have over %(words)s words, those of %(shortest)s %(fewer)s.") % values
        )
        flags.append(Flag("length", said))
    if len({arm.script for arm in arms if arm.script}) > 1:
        flags.append(Flag("script", "; ".join(f"{arm.code}: {arm.script.capitalize()}" for arm in arms if arm.script)))
    return flags


def pair_shapes(shapes: Sequence[TextShape]) -> tuple[Flag, ...]:
    """Return by what the texts of one pair differ so much that nobody has to read them."""
    if len(shapes) < 2:
        return ()
    flags = []
    fewest, most = min(one.words for one in shapes), max(one.words for one in shapes)
    if most >= PAIR_WORDS and most >= PAIR_APART * max(fewest, 1):
        said = _("The shortest text has %(fewest)s words, the longest %(most)s.") % {"fewest": fewest, "most": most}
        flags.append(Flag("length", said))
    scripts = {one.script for one in shapes if one.script}
    if len(scripts) > 1:
        said = _("The texts are in different scripts: %(scripts)s.") % {
            "scripts": ", ".join(sorted(one.capitalize() for one in scripts))
        }
        flags.append(Flag("script", said))
    return tuple(flags)
