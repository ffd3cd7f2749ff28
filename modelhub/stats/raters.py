"""How single raters and pairs of raters compare. These numbers flag; they exclude nobody."""

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from modelhub.results.agreement import PairKappa, RaterLine
from modelhub.stats.alpha import alphas, patterns_of
from modelhub.stats.chance import cohen_kappa
from modelhub.stats.distance import agreement_weights
from modelhub.stats.iteminterval import coefficient_interval
from modelhub.stats.ratings import FloatArray, IntArray, Level, Ratings

# Beyond this the pairs are too many to read; the single raters' lines remain.
MAX_RATERS_IN_PAIRS = 30
_FEWEST_FOR_CORRELATION = 3


def pairwise_kappa(ratings: Ratings) -> list[PairKappa]:
    """Return (quadratically weighted, unless nominal) Cohen's kappa for each pair of raters with common items."""
    if len(ratings.rater_names) > MAX_RATERS_IN_PAIRS:
        return []
    weights = agreement_weights(ratings.level, ratings.numbers)
    codes = np.full((len(ratings.item_names), len(ratings.rater_names)), -1, dtype=np.int64)
    codes[ratings.item, ratings.rater] = ratings.code
    rows = []
    for first, second in combinations(range(codes.shape[1]), 2):
        common = codes[(codes[:, first] >= 0) & (codes[:, second] >= 0)][:, [first, second]]
        if len(common):
            rows.append(_pair((ratings.rater_names[first], ratings.rater_names[second]), common, weights))
    return rows


def _pair(names: tuple[str, str], codes: IntArray, weights: FloatArray) -> PairKappa:
    found = cohen_kappa(codes[:, 0], codes[:, 1], weights)
    return PairKappa(
        raters=names,
        items=len(codes),
        kappa=found.value,
        reason="no_variation" if found.value is None else None,
        interval=coefficient_interval(found, items=len(codes), varying=items_that_vary(codes)),
    )


def items_that_vary(codes: IntArray) -> int:
    """Return how many items, shape (items, raters), have any value other than the most frequent one."""
    return int((codes != np.bincount(codes.ravel()).argmax()).any(axis=1).sum())


def rater_diagnostics(ratings: Ratings, alpha: float | None) -> list[RaterLine]:
    """Return one line per rater, each measured against the others only (leave-one-out).

    `bias` is the mean of own value minus the others' mean on the same items, `mean_absolute_deviation` the mean of its
    size, `modal_share` the share of the most frequent answer, `alpha_without` alpha over the others' ratings and
    `alpha_change` its difference from `alpha`, `correlation` Spearman's with the others' means.
    `reasons` has the code of what is None.
    """
    count = len(ratings.rater_names)
    sizes = np.bincount(ratings.rater, minlength=count)
    used = np.bincount(ratings.rater * len(ratings.domain) + ratings.code, minlength=count * len(ratings.domain))
    with np.errstate(invalid="ignore"):
        modal = used.reshape(count, len(ratings.domain)).max(axis=1) / sizes
    without = _alphas_without_each_rater(ratings)
    against = {} if ratings.level == Level.NOMINAL else _against_others(ratings, sizes)
    return [
        _line(
            ratings.level,
            {
                "rater": name,
                "ratings": int(sizes[rater]),
                "modal_share": _or_none(modal[rater]),
                "alpha_without": without[rater],
                "alpha_change": _difference(without[rater], alpha),
                **{key: _or_none(against[key][rater]) if against else None for key in _ORDERED},
            },
        )
        for rater, name in enumerate(ratings.rater_names)
    ]


_ORDERED = ("bias", "mean_absolute_deviation", "sd", "correlation")


def _difference(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _line(level: Level, values: dict[str, str | int | float | None]) -> RaterLine:
    if level == Level.NOMINAL:
        codes = dict.fromkeys(_ORDERED, "not_ordered")
    else:
        alone = values["bias"] is None
        codes = {"bias": "no_overlap", "mean_absolute_deviation": "no_overlap", "sd": "single_value",
                 "correlation": "no_overlap" if alone else "too_few_or_all_the_same"}  # fmt: skip
    codes |= {"modal_share": "no_data", "alpha_without": "undefined_without", "alpha_change": "undefined_without"}
    reasons = {name: code for name, code in codes.items() if values[name] is None}
    return RaterLine.model_validate({**values, "reasons": reasons})


def _against_others(ratings: Ratings, sizes: IntArray) -> dict[str, FloatArray]:
    """Return each rater's measures on an ordered scale, NaN where undefined."""
    values, everybody = ratings.numbers[ratings.code], _Groups(ratings.rater, len(sizes))
    sums = np.bincount(ratings.item, weights=values, minlength=len(ratings.item_names))
    counts = ratings.counts.sum(axis=1)
    shared = counts[ratings.item] >= 2
    own, items = values[shared], ratings.item[shared]
    others = (sums[items] - own) / (counts[items] - 1)
    groups = _Groups(ratings.rater[shared], len(sizes))
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(everybody.sums(everybody.centred(values) ** 2) / np.where(sizes > 1, sizes - 1, np.nan))
    return {
        "bias": groups.means(own - others),
        "mean_absolute_deviation": groups.means(np.abs(own - others)),
        "sd": spread,
        "correlation": groups.rank_correlations(own, others),
    }


@dataclass(frozen=True)
class _Groups:
    """Values in groups: `group` says which of `count` each is in."""

    group: IntArray
    count: int

    def sums(self, values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(self.group, weights=values, minlength=self.count), dtype=float)

    def means(self, values: FloatArray) -> FloatArray:
        """Return each group's mean, NaN of none."""
        with np.errstate(invalid="ignore"):
            return self.sums(values) / np.bincount(self.group, minlength=self.count)

    def centred(self, values: FloatArray) -> FloatArray:
        return np.asarray(values - self.means(values)[self.group])

    def rank_correlations(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """Return Spearman's correlation within each group, NaN for fewer than three values or where one is constant."""
        one, two = self.centred(self._ranks(first)), self.centred(self._ranks(second))
        spread = np.sqrt(self.sums(one**2) * self.sums(two**2))
        known = (spread > 0) & (np.bincount(self.group, minlength=self.count) >= _FEWEST_FOR_CORRELATION)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(known, self.sums(one * two) / spread, np.nan)

    def _ranks(self, values: FloatArray) -> FloatArray:
        """Return mean ranks within groups, each group's from a start of its own, which correlations do not look at."""
        order = np.lexsort((values, self.group))
        group, ordered = self.group[order], values[order]
        starts_here = np.ones(len(order), dtype=bool)
        starts_here[1:] = (group[1:] != group[:-1]) | (ordered[1:] != ordered[:-1])
        block = np.cumsum(starts_here) - 1
        ranks = np.empty(len(order))
        ranks[order] = (np.bincount(block, weights=np.arange(len(order))) / np.bincount(block))[block]
        return ranks


def _alphas_without_each_rater(ratings: Ratings) -> list[float | None]:
    """Leave each rater out by taking the difference their items make: the table is never built anew."""
    patterns = patterns_of(ratings)
    if not len(patterns.sizes):
        return [None] * len(ratings.rater_names)
    q = len(ratings.domain)
    total, margins = _sums(ratings.counts, q), _margins(ratings.counts)
    order = np.argsort(ratings.rater, kind="stable")
    starts = np.searchsorted(ratings.rater[order], np.arange(len(ratings.rater_names) + 1))
    results: list[float | None] = []
    for start, end in pairwise(starts):
        mine = order[start:end]
        before = ratings.counts[ratings.item[mine]]
        after = before.copy()
        after[np.arange(len(after)), ratings.code[mine]] -= 1
        change = _sums(after, q) - _sums(before, q)
        used = margins + _margins(after) - _margins(before)
        results.append(_or_none(alphas(patterns, (total + change)[None], used[None])[0]))
    return results


def _sums(counts: IntArray, q: int) -> FloatArray:
    pairable = counts[counts.sum(axis=1) >= 2].astype(float)
    if not len(pairable):
        return np.zeros((q, q))
    scaled = pairable / (pairable.sum(axis=1) - 1)[:, None]
    matrix = scaled.T @ pairable
    matrix[np.arange(q), np.arange(q)] -= scaled.sum(axis=0)
    return np.asarray(matrix)


def _margins(counts: IntArray) -> FloatArray:
    return np.asarray(counts[counts.sum(axis=1) >= 2].sum(axis=0), dtype=float)
