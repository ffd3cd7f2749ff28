"""Text diagnostics of two sets of texts: salient words, lengths, formats. Pure functions; texts in, numbers out."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy

from modelhub.stats.multiplicity import wilson_interval

FEWEST = 10
# What follows these words in a persona says what the person does not want.
_CONTRAST = re.compile(r"\b(?:rather than|over|versus|vs\.?|compared (?:to|with)|instead of)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_MARKS: Mapping[str, re.Pattern[str]] = {
    "list": re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+\S", re.MULTILINE),
    "heading": re.compile(r"^#{1,6}\s+\S", re.MULTILINE),
    "bold": re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__"),
    "code": re.compile(r"`[^`\n]+`|^```", re.MULTILINE),
    "table": re.compile(r"^\s*\|.+\|\s*$", re.MULTILINE),
    "link": re.compile(r"https?://\S+|\[[^\]\n]+\]\([^)\n]+\)"),
    "several_paragraphs": re.compile(r"\S[^\S\n]*\n\s*\n\s*\S"),
    "question": re.compile(r"[?？]"),
    "exclamation": re.compile(r"[!！]"),
    "emoji": re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]"),
}


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


def length_difference(first: Sequence[str], second: Sequence[str]) -> dict[str, Any]:
    """Return words per text in both sets and the difference first minus second, 95 % CI by Welch's t.

    `reason` is set where a number is None.
    """
    words = [np.array([word_count(text) for text in texts], dtype=float) for texts in (first, second)]
    result: dict[str, Any] = {
        "first": _spread(words[0]), "second": _spread(words[1]), "difference": None, "ci": None, "reason": None,
    }  # fmt: skip
    if not all(map(len, words)):
        return {**result, "reason": "no_data"}
    result["difference"] = float(words[0].mean() - words[1].mean())
    if min(map(len, words)) < 2:
        return {**result, "reason": "single_text"}
    errors = [values.var(ddof=1) / len(values) for values in words]
    total = sum(errors)
    if total == 0:
        return {**result, "reason": "no_variation"}
    df = total**2 / sum(error**2 / (len(values) - 1) for error, values in zip(errors, words, strict=True))
    half = float(scipy.stats.t.ppf(0.975, df)) * float(total) ** 0.5
    result["ci"] = [result["difference"] - half, result["difference"] + half]
    return result


def format_differences(first: Sequence[str], second: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return, by mark (list, heading, bold, code, …), how many texts of each set hold it and the difference of shares.

    The interval is Newcombe's hybrid of Wilson intervals, for independent sets. Source: Newcombe (1998), method 10.
    """
    return {name: _mark(pattern, first, second) for name, pattern in _MARKS.items()}


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

    def evened(share: float) -> float:
        mine, others = share / of_first, (1 - share) / of_second
        return mine / (mine + others)

    return {"share": evened(raw), "ci": [evened(max(0.0, interval[0])), evened(min(1.0, interval[1]))], "reason": None}


def _spread(values: np.ndarray) -> dict[str, Any]:
    return {
        "n": len(values),
        "mean": float(values.mean()) if len(values) else None,
        "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
        "median": float(np.median(values)) if len(values) else None,
    }


def _mark(pattern: re.Pattern[str], first: Sequence[str], second: Sequence[str]) -> dict[str, Any]:
    counts = [sum(bool(pattern.search(text)) for text in texts) for texts in (first, second)]
    sizes = [len(first), len(second)]
    result: dict[str, Any] = {"first": counts[0], "second": counts[1], "difference": None, "ci": None, "reason": None}
    intervals = [wilson_interval(count, n) for count, n in zip(counts, sizes, strict=True)]
    if intervals[0] is None or intervals[1] is None:
        return {**result, "reason": "no_data"}
    a, b = (count / n for count, n in zip(counts, sizes, strict=True))
    (low_a, high_a), (low_b, high_b) = intervals[0], intervals[1]
    below = ((a - low_a) ** 2 + (high_b - b) ** 2) ** 0.5
    above = ((high_a - a) ** 2 + (b - low_b) ** 2) ** 0.5
    return {**result, "difference": a - b, "ci": [a - b - below, a - b + above]}
