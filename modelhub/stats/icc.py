"""Intraclass correlations of complete tables. Source: Shrout & Fleiss (1979); McGraw & Wong (1996)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from modelhub.stats.iteminterval import LeftOut
from modelhub.stats.ratings import FloatArray


@dataclass(frozen=True)
class MeanSquares:
    """The two-way analysis of variance of some tables, `n` items by `k` raters each; arrays have shape (tables,)."""

    n: FloatArray
    k: int
    rows: FloatArray
    columns: FloatArray
    error: FloatArray
    within: FloatArray

    @property
    def between_raters(self) -> FloatArray:
        """The variance among raters."""
        return np.asarray((self.columns - self.error) / self.n)


def icc(matrix: FloatArray, kind: str) -> LeftOut:
    """Return one of the six coefficients of Shrout & Fleiss: `ICC(1,1)`, `ICC(2,1)`, … `ICC(3,k)`.

    ICC(A,1) of McGraw & Wong is ICC(2,1), ICC(C,1) is ICC(3,1). Undefined where nothing varies. Their F-based
    intervals are not used: on skewed ratings they cover the truth in 63 to 75 of 100 studies.

    Args:
        matrix: a complete table, shape (items, raters).

    Raises:
        ValueError: the table is not complete or too small, or there is no such kind.
    """
    kinds: dict[str, Callable[[MeanSquares], tuple[FloatArray, FloatArray]]] = {
        "ICC(1,1)": lambda ms: (ms.rows - ms.within, ms.rows + (ms.k - 1) * ms.within),
        "ICC(2,1)": lambda ms: (ms.rows - ms.error, ms.rows + (ms.k - 1) * ms.error + ms.k * ms.between_raters),
        "ICC(3,1)": lambda ms: (ms.rows - ms.error, ms.rows + (ms.k - 1) * ms.error),
        "ICC(1,k)": lambda ms: (ms.rows - ms.within, ms.rows),
        "ICC(2,k)": lambda ms: (ms.rows - ms.error, ms.rows + ms.between_raters),
        "ICC(3,k)": lambda ms: (ms.rows - ms.error, ms.rows),
    }
    if kind not in kinds:
        raise ValueError(f"{kind!r} is none of {', '.join(kinds)}")
    with np.errstate(invalid="ignore", divide="ignore"):  # one item alone may be left
        above, below = kinds[kind](_mean_squares(matrix))
        values = np.where(np.isclose(below, 0), np.nan, above / below)
    return LeftOut.of(values[0], values[1:], np.ones(len(matrix)))


def _mean_squares(matrix: FloatArray) -> MeanSquares:
    """Return the mean squares of the table, then of the tables without each of its items."""
    n, k = matrix.shape
    if n < 2 or k < 2:
        raise ValueError(f"an intraclass correlation needs two items and two raters, not {n} and {k}")
    if np.isnan(matrix).any():
        raise ValueError("an intraclass correlation needs a complete table")
    centred = matrix - matrix.mean()
    items = np.column_stack([np.ones(n), centred.sum(axis=1) ** 2 / k, (centred**2).sum(axis=1), centred])
    sums = items.sum(axis=0) - np.concatenate([np.zeros((1, k + 3)), items])
    count, by_rater = sums[:, 0], sums[:, 3:]
    correction = by_rater.sum(axis=1) ** 2 / (count * k)
    rows = sums[:, 1] - correction
    columns = (by_rater**2).sum(axis=1) / count - correction
    error = sums[:, 2] - correction - rows - columns
    return MeanSquares(
        count,
        k,
        rows / (count - 1),
        columns / (k - 1),
        error / ((count - 1) * (k - 1)),
        (columns + error) / (count * (k - 1)),
    )
