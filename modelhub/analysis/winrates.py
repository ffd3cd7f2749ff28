"""Win, tie and loss as people see it, and their Delta-PQ. Test wins where it is preferred to base, or rated higher."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from annotation.models import Aspect
from modelhub.analysis.data import Data
from modelhub.analysis.pairs import BASE, BOTH_BAD, TEST, TIE, Preference, RatedPair
from modelhub.stats.adjusted import jackknife_interval
from modelhub.stats.paired import t_interval
from modelhub.stats.ratings import FloatArray
from modelhub.stats.signflip import sign_flip
from modelhub.stats.winrate import PERSONALIZATION, QUALITY

# What stands for quality where people were not asked about it by that name.
_QUALITY = (QUALITY, "answerability")
Outcomes = dict[str, Counter[str]]  # by participant, or by prompt


def human_win_rates(
    data: Data, pairs: Mapping[str, Sequence[RatedPair]], chosen: Mapping[str, Sequence[Preference]], *, seed: int
) -> dict[str, Any]:
    """Return win rates of every comparison and rated aspect, and Delta-PQ where both of its aspects were asked."""
    outcomes: dict[str, Outcomes] = {}
    by_prompt: dict[str, Outcomes] = {}
    reports: dict[str, dict[str, Any]] = {}
    for question in data.of_kind(Aspect.Kind.COMPARISON, Aspect.Kind.RATING):
        key = question.key
        if question.kind == Aspect.Kind.COMPARISON:
            outcomes[key] = _grouped((row.participant, row.preferred) for row in chosen[key])
            by_prompt[key] = _grouped((row.item, row.preferred) for row in chosen[key])
        elif key in pairs:
            outcomes[key] = _grouped((row.participant, favoured(row.difference)) for row in pairs[key])
            by_prompt[key] = _grouped((row.item, favoured(row.difference)) for row in pairs[key])
        else:
            continue
        source = "comparison" if question.kind == Aspect.Kind.COMPARISON else "ratings"
        reports[key] = {"source": source, **_rates(outcomes[key], by_prompt[key], seed)}
    return {"aspects": reports, **_delta_pq(outcomes)}


def favoured(difference: int) -> str:
    """Return which system a difference test minus base favours."""
    return TEST if difference > 0 else BASE if difference < 0 else TIE


def _grouped(rows: Any) -> Outcomes:
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for group, outcome in rows:
        found[group][outcome] += 1
    return dict(found)


def _rates(outcomes: Outcomes, by_prompt: Outcomes, seed: int) -> dict[str, Any]:
    total: Counter[str] = sum(outcomes.values(), Counter())
    n, win, loss = total.total(), total[TEST], total[BASE]
    nets = _net_wins(outcomes)
    values = np.array([float(net) for net in nets])
    tested = sign_flip(nets, seed=seed)
    # As in paired comparisons: prompts that people share are a sample too, and the larger p counts.
    over_prompts = sign_flip(_net_wins(by_prompt), seed=seed) if len(by_prompt) < n else None
    share_ci = _share_interval(outcomes, win, loss)
    report: dict[str, Any] = {
        "n": n, "participants": len(nets), "win": win, "tie": total[TIE], "both_bad": total[BOTH_BAD], "loss": loss,
        "net_win": (win - loss) / n if n else None,
        "net_win_mean": float(values.mean()) if n else None,
        "net_win_ci": t_interval(values),
        "sign_flip_p": tested.p if tested else None,
        "prompt_sign_flip_p": over_prompts.p if over_prompts else None,
        "headline_p": max((found.p for found in (tested, over_prompts) if found), default=None),
        "win_share": win / (win + loss) if win + loss else None,
        "win_share_ci": share_ci,
    }  # fmt: skip
    decided = "no_decided_pairs" if n else "no_data"
    few = "no_data" if not n else "single_participant" if len(nets) < 2 else "unstable"
    codes = {"net_win": "no_data", "net_win_mean": "no_data", "net_win_ci": few, "sign_flip_p": "no_data",
             "prompt_sign_flip_p": "no_shared_prompts", "headline_p": "no_data",
             "win_share": decided, "win_share_ci": few if win + loss else decided}  # fmt: skip
    report["reasons"] = {name: code for name, code in codes.items() if report[name] is None}
    return report


def _net_wins(outcomes: Outcomes) -> list[Fraction]:
    return [Fraction(own[TEST] - own[BASE], own.total()) for own in outcomes.values()]


def _share_interval(outcomes: Outcomes, win: int, loss: int) -> list[float] | None:
    if not win + loss:
        return None
    own = np.array([[counts[TEST], counts[BASE]] for counts in outcomes.values()], dtype=float)
    left = np.array([win, loss], dtype=float) - own
    found = jackknife_interval(win / (win + loss), _ratio(left[:, 0], left.sum(axis=1)))
    return [max(0.0, found[0][0]), min(1.0, found[0][1])] if found else None


def _delta_pq(outcomes: Mapping[str, Outcomes]) -> dict[str, Any]:
    """Return Delta-PQ in points with its jackknife interval over participants; see stats.winrate.delta_pq."""
    quality = next((key for key in _QUALITY if key in outcomes), None)
    result: dict[str, Any] = {"delta_pq": None, "delta_pq_ci": None, "delta_pq_aspects": None, "reasons": {}}
    if PERSONALIZATION not in outcomes or quality is None:
        return {**result, "reasons": dict.fromkeys(("delta_pq", "delta_pq_ci"), "not_asked")}
    both = (outcomes[PERSONALIZATION], outcomes[quality])
    people = sorted(set(both[0]) | set(both[1]))
    empty: Counter[str] = Counter()
    own = np.array(
        [[[of.get(name, empty)[side] for side in (TEST, BASE)] for of in both] for name in people], dtype=float
    ).reshape(-1, 2, 2)
    estimate = float(_points(own.sum(axis=0)[None])[0])
    result["delta_pq_aspects"] = [PERSONALIZATION, quality]
    if np.isnan(estimate):
        return {**result, "reasons": dict.fromkeys(("delta_pq", "delta_pq_ci"), "no_decided_pairs")}
    found = jackknife_interval(estimate, _points(own.sum(axis=0) - own))
    result |= {"delta_pq": estimate, "delta_pq_ci": found[0] if found else None}
    if found is None:
        result["reasons"] = {"delta_pq_ci": "single_participant" if len(people) < 2 else "unstable"}
    return result


def _points(counts: FloatArray) -> FloatArray:
    """Return Delta-PQ of tables of (metric, win or loss), shape (k, 2, 2) -> (k,); NaN where it is undefined."""
    nets = _ratio(counts[:, :, 0] - counts[:, :, 1], counts.sum(axis=2))
    return np.asarray(100 * nets.mean(axis=1))


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)
