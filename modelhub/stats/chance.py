"""Percent agreement and the chance-corrected coefficients built on it, for any number of raters and missing ratings.

Each comes with its values when one item is left out, which its interval rests on. `weights`, shape (values, values),
are 1 on the diagonal and less for values that agree only partly.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

from modelhub.stats.iteminterval import LeftOut
from modelhub.stats.ratings import FloatArray, IntArray, Ratings, distinct_rows

Chance = Callable[[FloatArray, FloatArray], FloatArray]

# Columns of the sums over items: agreement of pairable items, how many are pairable, how many are rated, then shares.
_AGREEING, _PAIRABLE, _RATED, _SHARES = 0, 1, 2, 3


@dataclass(frozen=True)
class ItemSums:
    """What the coefficients need of a table of counts: a row per pattern of counts among rated items.

    `rows` has shape (p, 3 + values) and holds what one item of the pattern adds, `sizes` (p,) how many items have it.
    """

    rows: FloatArray
    sizes: FloatArray
    weights: FloatArray

    @classmethod
    def of(cls, counts: IntArray, weights: FloatArray) -> "ItemSums":
        """Return the sums of a table that says how many raters gave each item each value, shape (items, values)."""
        patterns, sizes = distinct_rows(counts[counts.sum(axis=1) > 0])
        found = patterns.astype(float)
        m = found.sum(axis=1)
        pairs = np.maximum(m * (m - 1), 1)
        agreeing = (found * (found @ weights - 1)).sum(axis=1) / pairs
        columns = (np.where(m >= 2, agreeing, 0), m >= 2, np.ones(len(m)))
        rows = np.column_stack([*columns, found / np.maximum(m, 1)[:, None]])
        return cls(rows, sizes.astype(float), weights)

    @property
    def total(self) -> FloatArray:
        """The sums over all items, shape (1, 3 + values)."""
        return np.asarray((self.sizes @ self.rows)[None])

    @property
    def agreement(self) -> tuple[FloatArray, FloatArray]:
        """The agreement within each pattern of pairable items, and how many items have it."""
        pairable = self.rows[:, _PAIRABLE] > 0
        return self.rows[pairable, _AGREEING], self.sizes[pairable]

    def corrected(self, chance_of: Chance) -> LeftOut:
        """Return (observed - chance) / (1 - chance) of all items, and of all but one."""
        sums = np.concatenate([self.total, self.total - self.rows])
        with np.errstate(invalid="ignore", divide="ignore"):
            observed = sums[:, _AGREEING] / sums[:, _PAIRABLE]
            chance = chance_of(sums[:, _SHARES:] / sums[:, [_RATED]], self.weights)
        values = _corrected(observed, chance)
        return LeftOut.of(values[0], values[1:], self.sizes, chance=float(chance[0]))


def percent_agreement(table: ItemSums) -> float | None:
    """Return the mean over pairable items of the (weighted) agreement among their pairs of raters."""
    agreement, sizes = table.agreement
    return float(np.average(agreement, weights=sizes)) if len(sizes) else None


def gwet_ac(table: ItemSums) -> LeftOut:
    """Return AC1 (identity weights) or AC2. Expected agreement uses every item with a rating, as Gwet defines it.

    Source: Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed., chapters 4 and 5.
    """

    def chance(shares: FloatArray, weights: FloatArray) -> FloatArray:
        q = len(weights)
        if q < 2:
            return np.ones(len(shares))
        return np.asarray(weights.sum() / (q * (q - 1)) * (shares * (1 - shares)).sum(axis=1))

    return table.corrected(chance)


def fleiss_kappa(table: ItemSums) -> LeftOut:
    """Return Fleiss' kappa, generalized to weights and missing ratings as in Gwet (2014). Source: Fleiss (1971)."""
    return table.corrected(lambda shares, weights: np.asarray(((shares @ weights) * shares).sum(axis=1)))


def brennan_prediger(table: ItemSums) -> LeftOut:
    """Return the Brennan-Prediger coefficient: chance is uniform over the declared values.

    Source: Brennan & Prediger (1981), Coefficient kappa: some uses, misuses, and alternatives.
    """
    return table.corrected(lambda shares, weights: np.full(len(shares), weights.mean()))


def conger_kappa(ratings: Ratings, weights: FloatArray) -> LeftOut:
    """Return Conger's kappa: as Cohen's, every rater keeps a distribution of their own.

    Source: Conger (1980); with missing ratings as in Gwet (2014), section 2.5.
    """
    table = _RaterShares.of(ratings, weights)
    rated = ratings.counts.sum(axis=1) > 0
    change, own_change, gone = (part[rated] for part in table.without_each_item(ratings))
    together, own = table.shares.sum(axis=0), table.own.sum()
    sums = np.concatenate([np.zeros((1, len(weights))), change]) + together
    raters = len(table.own) - np.concatenate([[0.0], gone])
    apart = ((sums @ weights) * sums).sum(axis=1) - (own + np.concatenate([[0.0], own_change]))
    observed = _observed_without_each(ratings.counts[rated], weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = np.where(raters >= 2, apart / (raters * (raters - 1)), np.nan)
    values = _corrected(observed, chance)
    return LeftOut.of(values[0], values[1:], np.ones(len(values) - 1), chance=float(chance[0]))


@dataclass(frozen=True)
class _RaterShares:
    """How often each rater used each value, as shares (raters, values), and how far they agree with themselves."""

    shares: FloatArray
    sizes: FloatArray
    rater: IntArray  # of each rating, among those who rated
    weights: FloatArray

    @classmethod
    def of(cls, ratings: Ratings, weights: FloatArray) -> "_RaterShares":
        who, rater = np.unique(ratings.rater, return_inverse=True)
        cells = np.bincount(rater * len(weights) + ratings.code, minlength=len(who) * len(weights))
        used = cells.reshape(len(who), len(weights)).astype(float)
        sizes = used.sum(axis=1)
        return cls(used / sizes[:, None], sizes, rater, weights)

    @property
    def own(self) -> FloatArray:
        return np.asarray(((self.shares @ self.weights) * self.shares).sum(axis=1))

    def without_each_item(self, ratings: Ratings) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return by item what changes without it: the sum of shares, that of `own`, and how many raters are gone."""
        items, q = len(ratings.item_names), len(self.weights)
        gone = self.sizes[self.rater] == 1
        factor = np.where(gone, 0.0, 1 / np.maximum(self.sizes[self.rater] - 1, 1))
        by_rater = scipy.sparse.coo_array((factor, (ratings.item, self.rater)), shape=(items, len(self.sizes)))
        by_value = scipy.sparse.coo_array((factor + gone, (ratings.item, ratings.code)), shape=(items, q))
        change = by_rater.tocsr() @ self.shares - by_value.toarray()
        with_own = (self.shares @ self.weights)[self.rater, ratings.code]
        own, same = self.own[self.rater], self.weights[ratings.code, ratings.code]
        moved = 2 * factor * (own - with_own) + factor**2 * (own - 2 * with_own + same)
        sums = (np.bincount(ratings.item, weights=part, minlength=items) for part in (moved - gone * own, gone))
        return (change, *sums)


def _observed_without_each(counts: IntArray, weights: FloatArray) -> FloatArray:
    """Return the agreement of all items, then that without each of them; NaN without any pairable item."""
    m = counts.sum(axis=1)
    agreeing = (counts * (counts @ weights - 1)).sum(axis=1) / np.maximum(m * (m - 1), 1)
    own = np.where(m >= 2, agreeing, 0.0)
    pairable = (m >= 2).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        every = np.concatenate([[0.0], own]), np.concatenate([[0.0], pairable])
        return np.asarray((own.sum() - every[0]) / (pairable.sum() - every[1]))


def cohen_kappa(first: IntArray, second: IntArray, weights: FloatArray) -> LeftOut:
    """Return (weighted) Cohen's kappa of two raters from their codes for the same items, shape (n,) each."""
    q = len(weights)
    table = np.bincount(first * q + second, minlength=q * q).reshape(q, q).astype(float)
    n, rows, columns = table.sum(), table.sum(axis=1), table.sum(axis=0)
    observed, expected = float((table * weights).sum()), float(rows @ weights @ columns)
    used = np.nonzero(table)
    without = expected - (weights @ columns)[used[0]] - (weights @ rows)[used[1]] + weights[used]
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = np.concatenate([[expected / n**2], without / (n - 1) ** 2])
        values = _corrected(np.concatenate([[observed / n], (observed - weights[used]) / (n - 1)]), chance)
    return LeftOut.of(values[0], values[1:], table[used], chance=float(chance[0]))


def _corrected(observed: FloatArray, chance: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.isclose(chance, 1), np.nan, (observed - chance) / (1 - chance))
