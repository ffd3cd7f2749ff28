"""Win, tie and loss between two systems as people judged them. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

import numpy as np

from modelhub.results.base import Interval
from modelhub.results.comparison import HumanWinRates, WinRates
from modelhub.stats.crossed import Cells, Spread, mean_spread, ratio, spread_of
from modelhub.stats.paired import exact_means, few_units_warnings, paired_tests, units_of
from modelhub.stats.ratings import FloatArray
from modelhub.stats.winrate import PERSONALIZATION, QUALITY

BASE, TEST, TIE, BOTH_BAD = "base", "test", "tie", "both_bad"
# What stands for quality where people were not asked about it by that name.
_QUALITY = (QUALITY, "answerability")
_NET = {TEST: 1, BASE: -1}


class PreferredSystem(NamedTuple):
    """What one participant preferred on one item."""

    participant: str
    item: str
    preferred: str

    @property
    def net(self) -> int:
        return _NET.get(self.preferred, 0)


def _cells(outcomes: Sequence[PreferredSystem], *, prompts_fixed: bool) -> Cells:
    return Cells([one.participant for one in outcomes], None if prompts_fixed else [one.item for one in outcomes])


def win_rates_of(
    outcomes: Sequence[PreferredSystem], source: Literal["comparison", "ratings"], *, prompts_fixed: bool, seed: int
) -> WinRates:
    """Return the win rates of one aspect from what participants preferred, one entry per pair."""
    total = Counter(one.preferred for one in outcomes)
    n, win, loss = total.total(), total[TEST], total[BASE]
    cells = _cells(outcomes, prompts_fixed=prompts_fixed)
    spread = mean_spread(cells, np.array([float(one.net) for one in outcomes]))
    nets = [one.net for one in outcomes]
    people = exact_means(cells.person, nets)
    prompts = exact_means(cells.prompt, nets) if cells.is_crossed else []
    tests = paired_tests(people, prompts, spread, cells, seed=seed)
    share = spread_of(cells.sums(_won_and_lost(outcomes)), _share)
    report = WinRates(
        source=source, n=n, participants=len(people), generalises_over=units_of(cells),
        win=win, tie=total[TIE], both_bad=total[BOTH_BAD], loss=loss,
        net_win=(win - loss) / n if n else None,
        net_win_mean=float(sum(people, Fraction(0)) / len(people)) if people else None,
        net_win_ci=_net_interval(spread),
        sign_flip_p=tests.by_person.p if tests.by_person else None,
        prompt_sign_flip_p=tests.by_prompt.p if tests.by_prompt else None,
        quasi_t_p=tests.crossed.p if tests.crossed else None,
        headline_p=tests.headline,
        win_share=win / (win + loss) if win + loss else None,
        win_share_ci=share.bounded_interval(0.0, 1.0) if share else None,
        reasons={},
        warnings=few_units_warnings(tests, participants=len(people), prompts=cells.n_prompts),
    )  # fmt: skip
    if prompts_fixed:
        report.warnings.append("prompts_fixed")
    report.reasons = _reasons(report, cells)
    return report


def _net_interval(spread: Spread | None) -> Interval | None:
    """Return the t-interval; where everybody only won, or only lost, the score interval, which has a width."""
    if spread is None:
        return None
    if not spread.varies and abs(spread.estimate) == 1:
        return spread.bounded_interval(-1.0, 1.0)
    return spread.interval(span=1.0)


def _reasons(report: WinRates, cells: Cells) -> dict[str, str]:
    few = cells.why_no_spread
    decided = "no_decided_pairs" if report.n else "no_data"
    codes = {
        **dict.fromkeys(("net_win", "net_win_mean", "sign_flip_p", "headline_p"), "no_data"),
        "net_win_ci": few or "no_variation_of_differences",
        "prompt_sign_flip_p": "no_shared_prompts",
        "quasi_t_p": (few or "no_variation_of_differences") if cells.is_crossed else "no_shared_prompts",
        "win_share": decided,
        "win_share_ci": decided if report.win_share is None else few or "unstable",
    }
    return {name: code for name, code in codes.items() if getattr(report, name) is None}


def _won_and_lost(outcomes: Sequence[PreferredSystem]) -> FloatArray:
    return np.array([[one.preferred == TEST, one.preferred == BASE] for one in outcomes], dtype=float).reshape(-1, 2)


def _share(rows: FloatArray) -> FloatArray:
    """Return W/(W + L) of rows of (wins, losses)."""
    return ratio(rows[:, 0], rows.sum(axis=1))


def with_delta_pq(
    reports: dict[str, WinRates], outcomes: Mapping[str, Sequence[PreferredSystem]], *, prompts_fixed: bool
) -> HumanWinRates:
    """Add Delta-PQ in points, whose interval draws both aspects together; see stats.winrate.delta_pq."""
    found = HumanWinRates(aspects=reports, delta_pq=None, delta_pq_ci=None, delta_pq_aspects=None, reasons={})
    quality = next((key for key in _QUALITY if key in outcomes), None)
    if PERSONALIZATION not in outcomes or quality is None:
        found.reasons = dict.fromkeys(("delta_pq", "delta_pq_ci"), "not_asked")
        return found
    found.delta_pq_aspects = (PERSONALIZATION, quality)
    both = (outcomes[PERSONALIZATION], outcomes[quality])
    rows = [*both[0], *both[1]]
    counts = np.zeros((len(rows), 4))
    counts[: len(both[0]), :2], counts[len(both[0]) :, 2:] = _won_and_lost(both[0]), _won_and_lost(both[1])
    estimate = float(_points(counts.sum(axis=0)[None, :])[0])
    if np.isnan(estimate):
        found.reasons = dict.fromkeys(("delta_pq", "delta_pq_ci"), "no_decided_pairs")
        return found
    cells = _cells(rows, prompts_fixed=prompts_fixed)
    spread = spread_of(cells.sums(counts), _points)
    found.delta_pq = estimate
    found.delta_pq_ci = spread.bounded_interval(-100.0, 100.0) if spread else None
    if spread is None:
        found.reasons = {"delta_pq_ci": cells.why_no_spread or "unstable"}
    return found


def _points(counts: FloatArray) -> FloatArray:
    """Return Delta-PQ of rows of wins and losses on both aspects, shape (k, 4) -> (k,); NaN where it is undefined."""
    nets = [ratio(counts[:, at] - counts[:, at + 1], counts[:, at] + counts[:, at + 1]) for at in (0, 2)]
    return np.asarray(100 * (nets[0] + nets[1]) / 2)
