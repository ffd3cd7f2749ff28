"""Intraclass correlations of complete tables. Source: Shrout & Fleiss (1979); McGraw & Wong (1996)."""

from dataclasses import dataclass

import numpy as np

from modelhub.stats.ratings import FloatArray


@dataclass(frozen=True)
class MeanSquares:
    """The two-way analysis of variance of a table: `n` items by `k` raters."""

    n: int
    k: int
    rows: float
    columns: float
    error: float
    within: float


def mean_squares(matrix: FloatArray) -> MeanSquares:
    """Return the mean squares of a complete table, shape (items, raters).

    Raises:
        ValueError: values are missing, or there are fewer than two items or raters.
    """
    n, k = matrix.shape
    if n < 2 or k < 2:
        raise ValueError(f"an intraclass correlation needs two items and two raters, not {n} and {k}")
    if np.isnan(matrix).any():
        raise ValueError("an intraclass correlation needs a complete table")
    grand = matrix.mean()
    rows = k * float(((matrix.mean(axis=1) - grand) ** 2).sum())
    columns = n * float(((matrix.mean(axis=0) - grand) ** 2).sum())
    total = float(((matrix - grand) ** 2).sum())
    error = total - rows - columns
    return MeanSquares(
        n,
        k,
        rows / (n - 1),
        columns / (k - 1),
        error / ((n - 1) * (k - 1)),
        (columns + error) / (n * (k - 1)),
    )


def icc(matrix: FloatArray, kind: str) -> float | None:
    """Return one of the six coefficients of Shrout & Fleiss: `ICC(1,1)`, `ICC(2,1)`, … `ICC(3,k)`.

    ICC(A,1) of McGraw & Wong is ICC(2,1), ICC(C,1) is ICC(3,1). None where nothing varies.

    Raises:
        ValueError: the table is not complete or too small, or there is no such kind.
    """
    ms = mean_squares(matrix)
    between_raters = (ms.columns - ms.error) / ms.n
    parts = {
        "ICC(1,1)": (ms.rows - ms.within, ms.rows + (ms.k - 1) * ms.within),
        "ICC(2,1)": (ms.rows - ms.error, ms.rows + (ms.k - 1) * ms.error + ms.k * between_raters),
        "ICC(3,1)": (ms.rows - ms.error, ms.rows + (ms.k - 1) * ms.error),
        "ICC(1,k)": (ms.rows - ms.within, ms.rows),
        "ICC(2,k)": (ms.rows - ms.error, ms.rows + between_raters),
        "ICC(3,k)": (ms.rows - ms.error, ms.rows),
    }
    if kind not in parts:
        raise ValueError(f"{kind!r} is none of {', '.join(parts)}")
    above, below = parts[kind]
    return None if np.isclose(below, 0) else above / below
