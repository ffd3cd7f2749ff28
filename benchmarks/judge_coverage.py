"""How often the intervals of a judge's win rates hold the truth, by simulation; its table is in docs/statistics.md.

Pairs differ, both metrics of a pair go together, and several judged units of one preference pair are alike.
"""

from collections import Counter

import numpy as np
import scipy

from modelhub.stats.winrate import METRICS, win_rates

# Shares of (win, loss) in personalization and in quality, and the correlation of what is behind them.
CASES = {
    "even": ((0.40, 0.40), (0.35, 0.35), 0.3),
    "test favoured": ((0.60, 0.20), (0.40, 0.30), 0.5),
    "heavy ties": ((0.15, 0.10), (0.10, 0.10), 0.3),
    "near +1": ((0.93, 0.03), (0.90, 0.04), 0.5),
    "near +1, metrics alike": ((0.95, 0.03), (0.95, 0.03), 0.95),
    "one near +1": ((0.95, 0.02), (0.40, 0.40), 0.3),
    "metrics alike": ((0.50, 0.30), (0.45, 0.30), 0.9),
}
_ALIKE = 0.6  # correlation of the units of one preference pair
_OUTCOMES = ("loss", "tie_order", "win")
_PAIRS = (5, 10, 20, 50, 200)


def coverage(case: str, pairs: int, per_pair: int, *, runs: int) -> dict[str, tuple[int, int]]:
    """Return by number how many intervals hold the truth, and how many there were, of `runs` simulated reports."""
    rng = np.random.default_rng(1)
    wins, truths = CASES[case][:2], _truths(case)
    held: Counter[str] = Counter()
    given: Counter[str] = Counter()
    for _ in range(runs):
        drawn = _units(rng, case, pairs, per_pair)
        outcomes = {
            metric: {
                str(unit): _OUTCOMES[int(u > shares[1]) + int(u > 1 - shares[0])]
                for unit, u in enumerate(drawn[:, column])
            }
            for column, (metric, shares) in enumerate(zip(METRICS, wins, strict=True))
        }
        report = win_rates(outcomes, {str(unit): str(unit % pairs) for unit in range(len(drawn))})
        first = report.metrics[METRICS[0]]
        found = {"net win": first.net_win_ci, "win share": first.win_share_ci, "delta-PQ": report.delta_pq_ci}
        for name, ci in found.items():
            if ci is not None:
                given[name] += 1
                held[name] += ci[0] - 1e-9 <= truths[name] <= ci[1] + 1e-9
    return {name: (held[name], given[name]) for name in truths}


def _truths(case: str) -> dict[str, float]:
    (win, loss), (quality_win, quality_loss), _ = CASES[case]
    shares = win / (win + loss), quality_win / (quality_win + quality_loss)
    return {"net win": win - loss, "win share": shares[0], "delta-PQ": 100 * (shares[0] + shares[1] - 1)}


def _units(rng: np.random.Generator, case: str, pairs: int, per_pair: int) -> np.ndarray:
    """Return uniform numbers of every unit for both metrics, shape (units, 2)."""
    correlation = CASES[case][2]

    def normal() -> np.ndarray:
        both = rng.standard_normal((pairs, 2))
        both[:, 1] = correlation * both[:, 0] + np.sqrt(1 - correlation**2) * both[:, 1]
        return both

    shared = normal()
    units = (
        [shared] if per_pair == 1 else [_ALIKE**0.5 * shared + (1 - _ALIKE) ** 0.5 * normal() for _ in range(per_pair)]
    )
    return np.asarray(scipy.special.ndtr(np.concatenate(units)))


def main() -> None:
    """Print the table, 1,000 reports for each cell."""
    print("| case | pairs | net win | W/(W+L) | ΔPQ | the same, three units of a pair |")
    print("|---|---|---|---|---|---|")
    for case in CASES:
        for pairs in _PAIRS:
            cells = [
                [
                    f"{held / given:.3f}" if given else "–"
                    for held, given in coverage(case, pairs, per, runs=1000).values()
                ]
                for per in (1, 3)
            ]
            print(f"| {case} | {pairs} | {' | '.join(cells[0])} | {', '.join(cells[1])} |", flush=True)


if __name__ == "__main__":
    main()
