"""Corrections for many tests, and intervals for proportions."""

from collections.abc import Sequence

import numpy as np
import scipy


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p-values, in the order given. Source: Holm (1979)."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, (len(p_values) - rank) * p_values[index])
        adjusted[index] = min(1.0, running)
    return [float(p) for p in adjusted]


def wilson_interval(
    successes: float, n: float, *, confidence: float = 0.95, z: float | None = None
) -> tuple[float, float] | None:
    """Return Wilson's score interval for a proportion, None for n = 0; effective sizes need not be whole.

    Source: Wilson (1927); Newcombe (1998), 3.
    """
    if n == 0:
        return None
    quantile = z if z is not None else float(scipy.special.ndtri(1 - (1 - confidence) / 2))
    share = successes / n
    middle = share + quantile**2 / (2 * n)
    half = quantile * float(np.sqrt(share * (1 - share) / n + quantile**2 / (4 * n**2)))
    below = 1 + quantile**2 / n
    return (middle - half) / below, (middle + half) / below


def wilson_interval_of_share(share: float, n: float) -> tuple[float, float]:
    """Return Wilson's interval for a share of an effective sample size that need not be whole, within 0 to 1."""
    interval = wilson_interval(share * n, n)
    assert interval is not None  # n is positive
    return max(0.0, interval[0]), min(1.0, interval[1])
