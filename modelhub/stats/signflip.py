"""Exact sign-flip (randomization) tests on a mean, by dynamic programming over the attainable sums."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np

from modelhub.stats.ratings import FloatArray

# Above this many attainable sums the exact distribution is too large; a seeded Monte-Carlo one takes its place.
_MOST_SUMS = 4_000_000
# The same for the work of building it, sums times values: about half a second.
_MOST_WORK = 500_000_000
_DRAWS = 100_000
_DRAWS_AT_ONCE = 2_000


@dataclass(frozen=True)
class SignFlip:
    """`p` is two-sided, `smallest_p` the smallest that this many non-zero values could reach, `method` says how."""

    p: float
    smallest_p: float
    method: str


def sign_flip(values: Sequence[Fraction], *, seed: int = 0) -> SignFlip | None:
    """Test that `values` are symmetric about 0 by flipping their signs in all 2^n ways; None without values.

    Values are exact fractions, so that ties with the observed sum are ties and not a matter of rounding. A zero keeps
    its place and tells nothing. Source: Fisher (1935), The Design of Experiments, section 21; Good (2005), 3.2.
    """
    if not values:
        return None
    sizes = _integers(values)
    nonzero = int(np.count_nonzero(sizes))
    smallest = min(1.0, 2.0 ** (1 - nonzero))
    total = abs(int(sizes.sum()))
    span = int(np.abs(sizes).sum())
    if span > _MOST_SUMS or span * nonzero > _MOST_WORK:
        # Divided as whole numbers first: these may be too large for a float.
        shares = np.array([abs(size) / span for size in sizes])
        return SignFlip(_monte_carlo(shares, total / span, seed), smallest, f"Monte Carlo, {_DRAWS} draws, seed {seed}")
    return SignFlip(_exact(np.abs(sizes), total), smallest, "exact")


def _integers(values: Sequence[Fraction]) -> FloatArray:
    scale = lcm(*(value.denominator for value in values))
    return np.array([int(value * scale) for value in values], dtype=object)


def _exact(sizes: FloatArray, total: int) -> float:
    """Return P(|sum of ±sizes| >= total): the distribution grows by one value at a time, the smallest first.

    Entry j is the chance that the values with a plus sum to j, so that the signed sum is 2j less all of them.
    """
    chance = np.ones(1)
    for size in map(int, np.sort(sizes[sizes > 0])):
        grown = np.zeros(len(chance) + size)
        grown[: len(chance)] = chance
        grown[size:] += chance
        chance = grown / 2
    span = len(chance) - 1
    sums = np.abs(2 * np.arange(span + 1) - span)
    return float(min(1.0, chance[sums >= total].sum()))


def _monte_carlo(values: FloatArray, total: float, seed: int) -> float:
    rng = np.random.default_rng(seed)
    reached = 0
    for start in range(0, _DRAWS, _DRAWS_AT_ONCE):
        draws = min(_DRAWS_AT_ONCE, _DRAWS - start)
        bits = rng.integers(0, 256, size=(draws, -(-len(values) // 8)), dtype=np.uint8)
        plus = np.unpackbits(bits, axis=1, count=len(values)).astype(float)
        sums = np.abs(2 * (plus @ values) - values.sum())
        reached += int(np.count_nonzero(sums >= total * (1 - 1e-12)))
    # The observed assignment is one of the possible ones: p is never 0.
    return float((reached + 1) / (_DRAWS + 1))
