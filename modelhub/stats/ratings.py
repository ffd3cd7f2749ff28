"""Ratings as arrays: which rater gave which item which value."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Value = float | str


class Level(StrEnum):
    """Level of measurement (Stevens, 1946)."""

    NOMINAL = "nominal"
    ORDINAL = "ordinal"
    INTERVAL = "interval"
    RATIO = "ratio"


@dataclass(frozen=True)
class Ratings:
    """Long form: rating `i` says that `rater[i]` gave `item[i]` the value `domain[code[i]]`.

    `rater`, `item` and `code` have shape (n,) and hold indices; each rater rates an item at most once. `domain` is in
    ascending order for all levels but nominal.
    """

    rater: IntArray
    item: IntArray
    code: IntArray
    rater_names: tuple[str, ...]
    item_names: tuple[str, ...]
    domain: tuple[Value, ...]
    level: Level

    @cached_property
    def counts(self) -> IntArray:
        """How often each item got each value, shape (items, values)."""
        shape = (len(self.item_names), len(self.domain))
        cells = self.item * shape[1] + self.code
        return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(np.int64)

    @cached_property
    def numbers(self) -> FloatArray:
        """The domain as numbers, shape (values,); for a nominal domain their positions."""
        if self.level == Level.NOMINAL:
            return np.arange(len(self.domain), dtype=float)
        return np.array(self.domain, dtype=float)

    @cached_property
    def matrix(self) -> FloatArray:
        """Values by item and rater, shape (items, raters), NaN where missing."""
        matrix = np.full((len(self.item_names), len(self.rater_names)), np.nan)
        matrix[self.item, self.rater] = self.numbers[self.code]
        return matrix


def make_ratings(
    raters: Sequence[str], items: Sequence[str], values: Sequence[Value], *, level: Level, domain: Sequence[Value]
) -> Ratings:
    """Build `Ratings` from three sequences of the same length.

    Raises:
        ValueError: a value is outside of the domain, the domain has a missing value, or a rater rates an item twice.
    """
    if any(value is None or value != value for value in domain):
        raise ValueError("a missing value is none of a domain: leave out the rating")
    position = {value: index for index, value in enumerate(domain)}
    unknown = [value for value in values if value not in position]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not in the domain {list(domain)}")
    rater_names, item_names = tuple(dict.fromkeys(raters)), tuple(dict.fromkeys(items))
    rater_index = {name: index for index, name in enumerate(rater_names)}
    item_index = {name: index for index, name in enumerate(item_names)}
    rater = np.array([rater_index[name] for name in raters], dtype=np.int64)
    item = np.array([item_index[name] for name in items], dtype=np.int64)
    if len(set(zip(rater.tolist(), item.tolist(), strict=True))) != len(rater):
        raise ValueError("a rater rates the same item more than once")
    code = np.array([position[value] for value in values], dtype=np.int64)
    return Ratings(rater, item, code, rater_names, item_names, tuple(domain), Level(level))


def distinct_rows(rows: IntArray) -> tuple[IntArray, IntArray]:
    """Return the distinct rows of whole numbers from 0 and how often each occurs."""
    if not len(rows):
        return rows, np.zeros(0, dtype=np.int64)
    base = int(rows.max()) + 1
    if base ** rows.shape[1] < 2**63:  # one number per row is sorted faster
        keys = rows @ (base ** np.arange(rows.shape[1], dtype=np.int64))
        _, first, sizes = np.unique(keys, return_index=True, return_counts=True)
        return rows[first], sizes.astype(np.int64)
    distinct, sizes = np.unique(rows, axis=0, return_counts=True)
    return distinct, sizes.astype(np.int64)
