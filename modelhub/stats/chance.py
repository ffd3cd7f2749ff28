"""Percent agreement and the chance-corrected coefficients built on it, for any number of raters and missing ratings.

Each takes `counts`, shape (items, values): how many raters gave the item the value; and `weights`, shape (values,
values): 1 on the diagonal, less for values that agree only partly. Each returns None where it is undefined.
"""

import numpy as np

from modelhub.stats.ratings import FloatArray, IntArray, Ratings


def percent_agreement(counts: IntArray, weights: FloatArray) -> float | None:
    """Return the mean over pairable items of the (weighted) agreement among their pairs of raters."""
    raters = counts.sum(axis=1)
    pairable = counts[raters >= 2].astype(float)
    if not len(pairable):
        return None
    m = pairable.sum(axis=1)
    agreeing = (pairable * (pairable @ weights - 1)).sum(axis=1)
    return float((agreeing / (m * (m - 1))).mean())


def gwet_ac(counts: IntArray, weights: FloatArray) -> float | None:
    """Return AC1 (identity weights) or AC2. Expected agreement uses every item with a rating, as Gwet defines it.

    Source: Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed., chapters 4 and 5.
    """
    q = counts.shape[1]
    if q < 2:
        return None
    share = _mean_shares(counts)
    expected = weights.sum() / (q * (q - 1)) * float((share * (1 - share)).sum())
    return _corrected(percent_agreement(counts, weights), expected)


def fleiss_kappa(counts: IntArray, weights: FloatArray) -> float | None:
    """Return Fleiss' kappa, generalized to weights and missing ratings as in Gwet (2014). Source: Fleiss (1971)."""
    share = _mean_shares(counts)
    return _corrected(percent_agreement(counts, weights), float(share @ weights @ share))


def brennan_prediger(counts: IntArray, weights: FloatArray) -> float | None:
    """Return the Brennan-Prediger coefficient: chance is uniform over the declared values.

    Source: Brennan & Prediger (1981), Coefficient kappa: some uses, misuses, and alternatives.
    """
    q = counts.shape[1]
    return _corrected(percent_agreement(counts, weights), float(weights.sum()) / q**2) if q > 1 else None


def conger_kappa(ratings: Ratings, weights: FloatArray) -> float | None:
    """Return Conger's kappa: as Cohen's, every rater keeps a distribution of their own.

    Source: Conger (1980); with missing ratings as in Gwet (2014), section 2.5.
    """
    raters, q = len(ratings.rater_names), len(ratings.domain)
    used = np.zeros((raters, q))
    np.add.at(used, (ratings.rater, ratings.code), 1)
    used = used[used.sum(axis=1) > 0]
    if len(used) < 2:
        return None
    share = used / used.sum(axis=1, keepdims=True)
    # Mean over all ordered pairs of different raters of the chance that the two agree.
    together = share.sum(axis=0)
    apart = float(together @ weights @ together) - float(np.einsum("gc,ck,gk->", share, weights, share))
    return _corrected(percent_agreement(ratings.counts, weights), apart / (len(share) * (len(share) - 1)))


def cohen_kappa(first: IntArray, second: IntArray, weights: FloatArray) -> float | None:
    """Return (weighted) Cohen's kappa of two raters from their codes for the same items, shape (n,) each."""
    q = len(weights)
    table = np.zeros((q, q))
    np.add.at(table, (first, second), 1)
    if not table.sum():
        return None
    table /= table.sum()
    expected = float(table.sum(axis=1) @ weights @ table.sum(axis=0))
    return _corrected(float((table * weights).sum()), expected)


def _mean_shares(counts: IntArray) -> FloatArray:
    rated = counts[counts.sum(axis=1) > 0].astype(float)
    if not len(rated):
        return np.zeros(counts.shape[1])
    return np.asarray((rated / rated.sum(axis=1, keepdims=True)).mean(axis=0))


def _corrected(observed: float | None, expected: float) -> float | None:
    if observed is None or np.isclose(expected, 1):
        return None
    return (observed - expected) / (1 - expected)
