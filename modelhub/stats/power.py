"""Power of the paired design by simulation."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import scipy

from modelhub.stats.multiplicity import wilson_interval
from modelhub.stats.ratings import FloatArray
from modelhub.stats.signflip import sign_flip


@dataclass(frozen=True)
class PowerDesign:
    """What is planned and assumed. All in points of the scale, as differences test minus base.

    `sd_participants` is how much participants differ in their true difference, `sd_prompts` how much prompts do,
    `sd_residual` the rest within one pair of ratings. Ratings are whole points from `low` to `high`.
    """

    participants: int
    prompts: int
    difference: float
    sd_participants: float = 0.4
    sd_prompts: float = 0.3
    sd_residual: float = 1.4
    shared_prompts: bool = False
    margin: float | None = None
    low: int = 1
    high: int = 5


def simulate_power(
    design: PowerDesign, *, simulations: int = 1000, level: float = 0.05, seed: int = 0
) -> dict[str, Any]:
    """Return the share of simulated studies that reject at `level`, with its Monte-Carlo interval.

    A simulated study is tested as the report does: exact sign-flip over participants' mean differences. With a margin,
    also how often non-inferiority is shown.

    Raises:
        ValueError: a number is out of range.
    """
    _check(design, simulations)
    rng = np.random.default_rng(seed)
    rejected = non_inferior = 0
    total = 0.0
    for _ in range(simulations):
        sums = _participant_sums(design, rng)
        tested = sign_flip([Fraction(int(value)) for value in sums])
        rejected += tested is not None and tested.p <= level
        means = sums / design.prompts
        total += float(means.mean())
        non_inferior += design.margin is not None and _lower_bound(means) > -design.margin
    report: dict[str, Any] = {
        "simulations": simulations,
        "power": rejected / simulations,
        "power_ci": wilson_interval(rejected, simulations),
        "mean_rated_difference": total / simulations,
        "smallest_p": 2.0 ** (1 - design.participants),
    }
    if design.margin is not None:
        report["non_inferiority_power"] = non_inferior / simulations
    return report


def _check(design: PowerDesign, simulations: int) -> None:
    if design.participants < 2 or design.prompts < 1 or simulations < 1:
        raise ValueError("a design needs at least two participants, one prompt and one simulation")
    if min(design.sd_participants, design.sd_prompts, design.sd_residual) < 0:
        raise ValueError("a standard deviation cannot be negative")
    if design.margin is not None and design.margin <= 0:
        raise ValueError("a margin is a positive number of points")
    if design.low >= design.high:
        raise ValueError("the scale needs at least two points")


def _participant_sums(design: PowerDesign, rng: np.random.Generator) -> FloatArray:
    """Return each participant's summed rated difference, shape (participants,), in whole points."""
    shape = (design.participants, design.prompts)
    prompt_shape = (1, design.prompts) if design.shared_prompts else shape
    true = (
        design.difference
        + rng.normal(0, design.sd_participants, (design.participants, 1))
        + rng.normal(0, design.sd_prompts, prompt_shape)
        + rng.normal(0, design.sd_residual, shape)
    )
    # Both ratings lie about the middle of the scale, half the difference to either side of a common level.
    middle = rng.normal((design.low + design.high) / 2, 0.7, shape)
    test = np.clip(np.rint(middle + true / 2), design.low, design.high)
    base = np.clip(np.rint(middle - true / 2), design.low, design.high)
    return np.asarray((test - base).sum(axis=1))


def _lower_bound(means: FloatArray) -> float:
    error = means.std(ddof=1) / np.sqrt(len(means))
    return float(means.mean() - scipy.stats.t.ppf(0.95, len(means) - 1) * error)
