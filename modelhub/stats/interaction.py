"""Whether two systems differ more on some data sets than on others."""

from collections.abc import Sequence

import numpy as np
import scipy

from modelhub.results.comparison import Interaction
from modelhub.stats.crossed import Cells, Spread, mean_spread
from modelhub.stats.effects import PairedRating
from modelhub.stats.ratings import FloatArray


def interaction(pairs: Sequence[PairedRating], strata: Sequence[str], *, prompts_fixed: bool = False) -> Interaction:
    """Test that the mean difference is the same in all strata; `strata` has that of each pair.

    Wald's F on the mean differences of the strata. They covary over participants who rated in several; prompts belong
    to one stratum each, so what they add is each stratum's own. The denominator has as many degrees of freedom as the
    least certain stratum, less one for every further stratum.
    """
    names = sorted(set(strata))
    found = Interaction(strata=names, f=None, df1=None, df2=None, p=None, reason="single_stratum")
    if len(names) < 2:
        found.reason = "single_stratum" if pairs else "no_data"
        return found
    parts = [[pair for pair, own in zip(pairs, strata, strict=True) if own == name] for name in names]
    spreads = [_spread(part, prompts_fixed) for part in parts]
    if any(spread is None for spread in spreads):
        found.reason = "too_few_in_a_stratum"
        return found
    known = [spread for spread in spreads if spread is not None]
    means = np.array([spread.estimate for spread in known])
    covariance = _covariance(parts, np.array([spread.error**2 for spread in known]))
    contrasts = np.eye(len(names))[1:] - np.eye(len(names))[:1]
    df1 = len(names) - 1
    df2 = min(spread.df for spread in known) - df1 + 1
    between = contrasts @ covariance @ contrasts.T
    if df2 < 1 or np.linalg.matrix_rank(between) < df1:
        found.reason = "too_few_in_a_stratum" if df2 < 1 else "no_variation_of_differences"
        return found
    wald = float((contrasts @ means) @ np.linalg.solve(between, contrasts @ means))
    # Hotelling's scale, by which the F distribution holds for few units.
    f = wald * df2 / (df1 * (df2 + df1 - 1))
    return found.model_copy(
        update={"f": f, "df1": float(df1), "df2": df2, "p": float(scipy.stats.f.sf(f, df1, df2)), "reason": None}
    )


def _spread(pairs: Sequence[PairedRating], prompts_fixed: bool) -> Spread | None:
    cells = Cells([pair.participant for pair in pairs], None if prompts_fixed else [pair.item for pair in pairs])
    return mean_spread(cells, np.array([float(pair.difference) for pair in pairs]))


def _covariance(parts: Sequence[Sequence[PairedRating]], variances: FloatArray) -> FloatArray:
    """Return the covariance matrix of the strata's means: `variances`, and what their common participants share."""
    people = sorted({pair.participant for part in parts for pair in part})
    place = {name: at for at, name in enumerate(people)}
    influence = np.zeros((len(people), len(parts)))
    for at, part in enumerate(parts):
        sums, sizes = np.zeros(len(people)), np.zeros(len(people))
        for pair in part:
            sums[place[pair.participant]] += float(pair.difference)
            sizes[place[pair.participant]] += 1
        present = sizes > 0
        n = int(present.sum())
        means = sums[present] / sizes[present]
        influence[present, at] = (means - means.mean()) / (n * (n - 1)) ** 0.5
    shared = influence.T @ influence
    np.fill_diagonal(shared, variances)
    return shared
