"""What texts have more of than others: counts by plain rules and word lists, and how preferences go with them. Pure.

The lists are ours and short on purpose: docs/statistics.md names every word. Hedges after Hyland (2005), Metadiscourse.
"""

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from modelhub.results.attributes import AttributeContrast, AttributeWeight
from modelhub.stats.crossed import Cells, Spread, ratio, spread_of
from modelhub.stats.effects import standardized_difference
from modelhub.stats.ratings import FloatArray
from modelhub.stats.scores import BoundedMean, bounded_mean
from modelhub.stats.texts import word_count

WORDS = "words"
CI_METHOD = "clustered_score; differences: clustered_t; correlations: jackknife_score"
_LISTS = {
    "hedging": "may might could perhaps possibly probably likely seem seems appear appears suggest suggests usually "
    "often sometimes generally typically somewhat relatively about around",
    "politeness": "please thank thanks sorry apologies apologize welcome glad happy",
    "second_person": "you your yours yourself",
    "first_person": "i i'm i've i'd i'll me my mine myself we us our ours",
    "negation": "no not never none nothing nobody neither nor cannot without",
}
_NEGATED = re.compile(r"n['’]t$")
_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+\S", re.MULTILINE)
_MARK = re.compile(r"^#{1,6}\s+\S|\*\*[^*\n]+\*\*|__[^_\n]+__|```|`[^`\n]+`|<code>", re.MULTILINE)


@dataclass(frozen=True)
class TextAttribute:
    """A property of a text that a rule can measure; `unit` says what `measure` counts."""

    key: str
    name: str
    unit: str
    measure: Callable[[str], float] = field(repr=False)


def _list_rate(key: str) -> Callable[[str], float]:
    words = frozenset(_LISTS[key].split())

    def rate(text: str) -> float:
        tokens = [token.casefold().replace("’", "'") for token in _TOKEN.findall(text)]
        hits = sum(token in words or (key == "negation" and bool(_NEGATED.search(token))) for token in tokens)
        return 100 * hits / len(tokens) if tokens else 0.0

    return rate


def _sign_rate(sign: str) -> Callable[[str], float]:
    def rate(text: str) -> float:
        words = word_count(text)
        return 100 * text.count(sign) / words if words else 0.0

    return rate


_RATE = "per 100 words"
ATTRIBUTES = (
    TextAttribute(WORDS, "Length", "words", word_count),
    TextAttribute("list_items", "Lists", "items", lambda text: len(_ITEM.findall(text))),
    TextAttribute("formatting", "Formatting", "headings, bold and code", lambda text: len(_MARK.findall(text))),
    TextAttribute("hedging", "Hedging", _RATE, _list_rate("hedging")),
    TextAttribute("exclamation", "Exclamations", _RATE, _sign_rate("!")),
    TextAttribute("question", "Question marks", _RATE, _sign_rate("?")),
    TextAttribute("politeness", "Politeness", _RATE, _list_rate("politeness")),
    TextAttribute("second_person", "Second person", _RATE, _list_rate("second_person")),
    TextAttribute("first_person", "First person", _RATE, _list_rate("first_person")),
    TextAttribute("negation", "Negation", _RATE, _list_rate("negation")),
)


@dataclass(frozen=True)
class TextPair:
    """Two texts of one preference pair: what was chosen, or explains it, and the other one."""

    cluster: Hashable
    chosen: str
    rejected: str


@dataclass(frozen=True)
class WeighedPair:
    """Two texts and by how much the first was preferred, negative where the second was; `other` is a second cluster."""

    cluster: Hashable
    first: str
    second: str
    preference: float
    other: Hashable = None


def contrasts(pairs: Sequence[TextPair]) -> list[AttributeContrast]:
    """Return every attribute of chosen against rejected texts, with intervals over preference pairs."""
    clusters = [pair.cluster for pair in pairs]
    return [_contrast(attribute, pairs, clusters) for attribute in ATTRIBUTES]


def weights(pairs: Sequence[WeighedPair], *, crossed: bool) -> list[AttributeWeight]:
    """Return how the preference for one of two texts goes with the difference in each attribute, from -1 to 1.

    It is the correlation about 0, not about the means: which of two texts is called the first does not matter, and what
    one system has more of than the other counts. `crossed` takes `other` as a second sample (see stats.crossed).
    """
    cells = Cells([pair.cluster for pair in pairs], [pair.other for pair in pairs] if crossed else None)
    preference = np.array([pair.preference for pair in pairs], dtype=float)
    words = _differences(ATTRIBUTES[0], pairs)
    return [_weight(attribute, _differences(attribute, pairs), preference, words, cells) for attribute in ATTRIBUTES]


def _contrast(attribute: TextAttribute, pairs: Sequence[TextPair], clusters: Sequence[Hashable]) -> AttributeContrast:
    values = np.array(
        [(attribute.measure(pair.chosen), attribute.measure(pair.rejected)) for pair in pairs], dtype=float
    ).reshape(-1, 2)
    difference = values[:, 0] - values[:, 1]
    differs = difference != 0
    sums = Cells(clusters, None).sums(np.column_stack([np.ones(len(values)), values, values**2]))
    change, effect = (spread_of(sums, estimator) for estimator in (_mean_change, standardized_difference))
    more = bounded_mean([float(one) for one in difference > 0], clusters)
    given = bounded_mean(
        [float(one > 0) for one in difference[differs]],
        [cluster for cluster, one in zip(clusters, differs, strict=True) if one],
    )
    found: dict[str, Any] = {
        "mean_chosen": float(values[:, 0].mean()) if len(pairs) else None,
        "mean_rejected": float(values[:, 1].mean()) if len(pairs) else None,
        "difference": float(difference.mean()) if len(pairs) else None,
        "difference_ci": change.interval() if change else None,
        "effect": effect.estimate if effect else None,
        "effect_ci": effect.interval() if effect else None,
        **_of("share_chosen_more", more),
        **_of("p_chosen_given_more", given),
    }
    codes = dict.fromkeys(("effect", "effect_ci"), "no_variation") | {
        "difference_ci": "no_variation_of_differences",
        "p_chosen_given_more": "no_difference",
        "p_chosen_given_more_ci": "no_difference" if given is None else "single_pair",
    }
    if len(set(clusters)) < 2:
        codes |= dict.fromkeys(("difference_ci", "effect", "effect_ci"), "single_pair")
    missing = {name: codes.get(name, "single_pair") if pairs else "no_data" for name, one in found.items()
               if one is None}  # fmt: skip
    return AttributeContrast(
        attribute=attribute.key, unit=attribute.unit, pairs=len(pairs), differing=int(differs.sum()), reasons=missing,
        **found,
    )  # fmt: skip


def _of(name: str, mean: BoundedMean | None) -> dict[str, Any]:
    return {name: mean.estimate if mean else None, f"{name}_ci": mean.ci if mean else None}


def _mean_change(rows: FloatArray) -> FloatArray:
    return ratio(rows[:, 1] - rows[:, 2], rows[:, 0])


def _differences(attribute: TextAttribute, pairs: Sequence[WeighedPair]) -> FloatArray:
    return np.array([attribute.measure(pair.first) - attribute.measure(pair.second) for pair in pairs], dtype=float)


def _weight(
    attribute: TextAttribute, x: FloatArray, y: FloatArray, words: FloatArray, cells: Cells
) -> AttributeWeight:  # fmt: skip
    parts = (x * y, x * x, y * y, words * y, words * x, words * words)
    sums = cells.sums(np.column_stack(parts)) if len(x) else None
    plain = spread_of(sums, _correlation) if sums else None
    partial = spread_of(sums, _partial) if sums and attribute.key != WORDS else None
    found: dict[str, Any] = {
        "association": plain.estimate if plain else None,
        "association_ci": _bounded(plain),
        "without_length": partial.estimate if partial else None,
        "without_length_ci": _bounded(partial),
    }
    why = cells.why_no_spread or ("no_difference" if not x.any() else "no_preference" if not y.any() else "unstable")
    reasons = {name: why for name, one in found.items() if one is None}
    if attribute.key == WORDS:
        reasons |= dict.fromkeys(("without_length", "without_length_ci"), "is_length_itself")
    return AttributeWeight(attribute=attribute.key, n=len(x), clusters=cells.n_people, reasons=reasons, **found)


def _bounded(spread: Spread | None) -> tuple[float, float] | None:
    return spread.bounded_interval(-1.0, 1.0) if spread else None


def _correlation(rows: FloatArray) -> FloatArray:
    return ratio(rows[:, 0], np.sqrt(rows[:, 1] * rows[:, 2]))


def _partial(rows: FloatArray) -> FloatArray:
    """Return the correlation of x and y with words held fixed, of rows of (xy, xx, yy, wy, wx, ww)."""
    xy, xx, yy, wy, wx, ww = rows.T
    own = _correlation(rows)
    with_y, with_x = ratio(wy, np.sqrt(ww * yy)), ratio(wx, np.sqrt(ww * xx))
    left = np.sqrt(np.maximum((1 - with_y**2) * (1 - with_x**2), 0.0))
    return np.where(np.isnan(with_y), own, ratio(own - with_y * with_x, left))
