"""How well inferred personas explain their responses, and which of a pair's two is the better one. No database here.

The unit is the persona. A judge picks a response for it in two orders, each pick right or wrong; the persona's accuracy
is the mean over the orders that were scored: 0, 1/2 or 1. Source of the measures: Balepur et al. (2025), Whose Boat
Does it Float?, section on persona inference.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from modelhub.stats.multiplicity import wilson_interval
from modelhub.stats.scores import clustered_mean, paired_gap

CHOSEN, REJECTED, BOTH = "chosen", "rejected", "both"
TIE = "tie"
ORDERS = 2


@dataclass(frozen=True, order=True)
class ResultGroup:
    """What one row of the results is about."""

    dataset: str
    system: str
    judge: str
    rubric: str


@dataclass(frozen=True)
class Pick:
    """What a judge said in one order. `side` is `chosen` or `rejected`, the response or the persona picked; empty if
    unscored. `pair` is any id of the pair, `direction` that of the persona asked about (empty in comparisons)."""

    group: ResultGroup
    pair: int
    direction: str
    side: str


def accuracy_report(picks: Iterable[Pick]) -> list[dict[str, Any]]:
    """Return the accuracy of every group of checks, by direction and in both, with the gap chosen minus rejected."""
    return [{**vars(group), **_accuracy(rows)} for group, rows in _grouped(picks)]


def comparison_report(picks: Iterable[Pick]) -> list[dict[str, Any]]:
    """Return the outcome of every group of comparisons, a pair at a time: both orders agree, or it is a tie.

    A pair of which an order is missing or could not be read is unscored, counted apart from the n of the shares.
    """
    return [{**vars(group), **_comparison(rows)} for group, rows in _grouped(picks)]


def _grouped(picks: Iterable[Pick]) -> list[tuple[ResultGroup, list[Pick]]]:
    ordered = sorted(picks, key=attrgetter("group"))
    return [(group, list(rows)) for group, rows in groupby(ordered, key=attrgetter("group"))]


def _accuracy(picks: Sequence[Pick]) -> dict[str, Any]:
    by_direction = {CHOSEN: _by_persona(picks, CHOSEN), REJECTED: _by_persona(picks, REJECTED)}
    scores = {direction: _scores(found, direction) for direction, found in by_direction.items()}
    directions = {
        name: _direction([(pair, sides) for side in sides_of for pair, sides in by_direction[side].items()],
                         [(pair, score) for side in sides_of for pair, score in scores[side].items()])
        for name, sides_of in ((CHOSEN, (CHOSEN,)), (REJECTED, (REJECTED,)), (BOTH, (CHOSEN, REJECTED)))
    }  # fmt: skip
    common = scores[CHOSEN].keys() & scores[REJECTED].keys()
    answers = min(sum(_scored(by_direction[side][pair]) for pair in common) for side in (CHOSEN, REJECTED))
    gap = paired_gap(scores[CHOSEN], scores[REJECTED], answers)
    names = {"n": "n", "chosen": "first", "rejected": "second", "gap": "difference", "ci": "ci", "reason": "reason"}
    return {"directions": directions, "gap": {name: gap[key] for name, key in names.items()}}


def _direction(personas: Sequence[tuple[int, Sequence[str]]], scores: Sequence[tuple[int, float]]) -> dict[str, Any]:
    """Return one cell from the (pair, sides picked) of its personas and the (pair, score) of those that were scored."""
    answers = sum(_scored(sides) for _, sides in personas)
    mean = clustered_mean([score for _, score in scores], [pair for pair, _ in scores], answers)
    twice = [sides for _, sides in personas if _scored(sides) == ORDERS]
    disagreeing = sum(len(set(sides)) > 1 for sides in twice)
    return {
        "personas": len(personas),
        "n": mean["n"],
        "accuracy": mean["mean"],
        "ci": mean["ci"],
        "both_orders": len(twice),
        "disagreeing": disagreeing,
        "disagreement": disagreeing / len(twice) if twice else None,
        "unscored_answers": sum(len(sides) for _, sides in personas) - answers,
        "unscored_personas": len(personas) - mean["n"],
        "reason": mean["reason"],
    }


def _comparison(picks: Sequence[Pick]) -> dict[str, Any]:
    counts = Counter(_outcome(sides) for sides in _by_persona(picks, "").values())
    n = counts.total() - counts[""]
    return {
        "n": n,
        "unscored": counts[""],
        **{outcome: _share(counts[outcome], n) for outcome in (CHOSEN, TIE, REJECTED)},
        "reason": None if n else "no_data",
    }


def _share(count: int, n: int) -> dict[str, Any]:
    found = wilson_interval(count, n)
    ci = [max(0.0, found[0]), min(1.0, found[1])] if found else None
    return {"count": count, "share": count / n if n else None, "ci": ci}


def _by_persona(picks: Iterable[Pick], direction: str) -> dict[int, list[str]]:
    """Return the sides picked, by pair: of one group and direction, a pair has one persona."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for pick in picks:
        if pick.direction == direction:
            found[pick.pair].append(pick.side)
    return dict(found)


def _scores(personas: dict[int, list[str]], direction: str) -> dict[int, float]:
    return {pair: sides.count(direction) / _scored(sides) for pair, sides in personas.items() if _scored(sides)}


def _scored(sides: Sequence[str]) -> int:
    return sum(bool(side) for side in sides)


def _outcome(sides: Sequence[str]) -> str:
    if _scored(sides) < ORDERS:
        return ""
    return sides[0] if len(set(sides)) == 1 else TIE
