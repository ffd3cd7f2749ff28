"""Alpha with a bootstrap interval against looping the `krippendorff` package over replicates, and how it grows.

    python -m benchmarks.agreement [--ratings 1000000]

The loop is timed on a few replicates and scaled to 1,000, since all of them would take hours; the ratio says so. What a
process pays once (libraries loaded on first use) is paid before anything is timed; the other times are medians.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import krippendorff
import numpy as np

from modelhub.stats.agreement import agreement_report
from modelhub.stats.alpha import krippendorff_alpha, patterns_of
from modelhub.stats.bootstrap import REPLICATES, alpha_interval
from modelhub.stats.ratings import Level, Ratings

DOMAIN = (1, 2, 3, 4, 5)
LOOPED = 3
REPEATS = 5
WARM_UP = 1000  # ratings


def make(ratings: int, raters: int = 3) -> Ratings:
    """Return ratings by `raters` raters of items with a true value and an error of at most one point."""
    rng = np.random.default_rng(0)
    items = ratings // raters
    truth = rng.integers(1, 6, items)
    values = np.clip(truth[:, None] + rng.integers(-1, 2, (items, raters)), 1, 5)
    return Ratings(
        rater=np.tile(np.arange(raters), items),
        item=np.repeat(np.arange(items), raters),
        code=values.ravel() - 1,
        rater_names=tuple(map(str, range(raters))),
        item_names=tuple(map(str, range(items))),
        domain=DOMAIN,
        level=Level.ORDINAL,
    )


def warm_up() -> None:
    """Call once what is timed later; the first call loads libraries, a hundred times what a small bootstrap takes."""
    ratings = make(WARM_UP)
    timed_bootstrap(ratings)
    timed_loop(ratings)
    timed_report(ratings)


def median_of(timed: Callable[[Ratings], float], ratings: int) -> float:
    """Return the median seconds of some calls, each on ratings that nothing has been computed from yet."""
    return statistics.median(timed(make(ratings)) for _ in range(REPEATS))


def timed_report(ratings: Ratings) -> float:
    """Return seconds for the whole agreement report."""
    start = time.perf_counter()
    agreement_report(ratings)
    return time.perf_counter() - start


def timed_bootstrap(ratings: Ratings) -> float:
    """Return seconds for alpha and its interval with 1,000 replicates, from long-form arrays."""
    start = time.perf_counter()
    alpha = krippendorff_alpha(ratings)
    assert alpha is not None
    alpha_interval(patterns_of(ratings), alpha, seed=0)
    return time.perf_counter() - start


def timed_loop(ratings: Ratings) -> float:
    """Return seconds that 1,000 calls of the package on resampled counts would take, from LOOPED calls."""
    rng = np.random.default_rng(0)
    counts = ratings.counts
    start = time.perf_counter()
    for _ in range(LOOPED):
        drawn = counts[rng.integers(0, len(counts), len(counts))]
        krippendorff.alpha(value_counts=drawn, value_domain=DOMAIN, level_of_measurement="ordinal")
    return (time.perf_counter() - start) / LOOPED * REPLICATES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ratings", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    sizes = parser.parse_args().ratings
    warm_up()
    for size in sizes:
        ours, loop, whole = median_of(timed_bootstrap, size), timed_loop(make(size)), median_of(timed_report, size)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"{size:>9} ratings: bootstrap {ours:.3f} s, loop {loop:.0f} s (scaled from {LOOPED} replicates), "
            f"ratio {loop / ours:.0f}; whole report {whole:.3f} s; peak memory so far {peak:.2f} GB"
        )


if __name__ == "__main__":
    main()
