"""Text diagnostics of two sets of texts: salient words. Pure functions; texts in, numbers out."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from modelhub.stats.multiplicity import wilson_interval

FEWEST = 10
# What follows these words in a persona says what the person does not want.
_CONTRAST = re.compile(r"\b(?:rather than|over|versus|vs\.?|compared (?:to|with)|instead of)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")


def word_count(text: str) -> int:
    """Return the number of words, as parted by white space."""
    return len(text.split())


def before_contrast(text: str) -> str:
    """Return the text up to "rather than", "over", "versus", "compared to" or "instead of".

    Source: Balepur et al. (2025), Whose Boat Does it Float?, section on word saliency.
    """
    return _CONTRAST.split(text, maxsplit=1)[0]


def salient_words(
    first: Sequence[str],
    second: Sequence[str],
    *,
    min_count: int = FEWEST,
    lemma: Callable[[str], str] = str.casefold,
    cut: bool = True,
) -> list[dict[str, Any]]:
    """Return P(first set | word) for the words in at least `min_count` texts, most telling of the first set first.

    A word counts once per text. `share` is weighted so that sets of different sizes are on a par: 0.5 says nothing. Its
    `ci` (95 %, Wilson) is that of the raw share, moved by the same odds. `lemma` maps a word to what is counted; `cut`
    looks only at what stands before a contrast (see `before_contrast`). Source of the measure: Balepur et al. (2025).
    """
    counts = [_texts_by_word(texts, lemma, cut) for texts in (first, second)]
    rows = []
    for word in sorted(set(counts[0]) | set(counts[1])):
        in_first, in_second = counts[0][word], counts[1][word]
        if in_first + in_second >= min_count:
            rows.append({
                "word": word,
                "count_first": in_first,
                "count_second": in_second,
                **_share(in_first, in_second, len(first), len(second)),
            })  # fmt: skip
    return sorted(rows, key=lambda row: (-(row["share"] if row["share"] is not None else 0.5), row["word"]))


def _texts_by_word(texts: Sequence[str], lemma: Callable[[str], str], cut: bool) -> Counter[str]:
    found: Counter[str] = Counter()
    for text in texts:
        found.update({lemma(word) for word in _WORD.findall(before_contrast(text) if cut else text)})
    return found


def _share(in_first: int, in_second: int, of_first: int, of_second: int) -> dict[str, Any]:
    """Return the share of the first set among the word's texts, were both sets of one size."""
    raw, interval = in_first / (in_first + in_second), wilson_interval(in_first, in_first + in_second)
    if not of_first or not of_second or interval is None:
        return {"share": None, "ci": None, "reason": "empty_set"}

    def balanced(share: float) -> float:
        mine, others = share / of_first, (1 - share) / of_second
        return mine / (mine + others)

    return {
        "share": balanced(raw),
        "ci": [balanced(max(0.0, interval[0])), balanced(min(1.0, interval[1]))],
        "reason": None,
    }
