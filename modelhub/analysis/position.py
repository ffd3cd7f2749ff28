"""Where a response stood, and when a part came: effects that the design balances and the report shows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from annotation.models import Aspect
from modelhub.analysis.answers import Answer
from modelhub.analysis.data import Data
from modelhub.analysis.pairs import Preference, RatedPair
from modelhub.results.presentation import OrderEffect, SideEffect
from modelhub.stats.adjusted import adjusted_mean
from modelhub.stats.paired import t_interval

_LEFT, _RIGHT = 1, 2


def position_report(
    pairs: Mapping[str, Sequence[RatedPair]], chosen: Mapping[str, Sequence[Preference]]
) -> dict[str, SideEffect]:
    """Return left minus right by aspect, adjusted for which system stood left; of comparisons, the shares chosen.

    With more than two arms, left is whichever of base and test stood further left.
    """
    report = {key: _of_ratings(rows) for key, rows in pairs.items()}
    return report | {key: _of_choices(rows) for key, rows in chosen.items()}


def order_report(data: Data) -> dict[str, OrderEffect]:
    """Return by aspect how many points the answers rise from one part to the next: mean of participants' slopes."""
    scales = {q.key: q for q in data.of_kind(Aspect.Kind.RATING, Aspect.Kind.PERSONA) if q.has_mean}
    by_aspect: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in data.main:
        if answer.aspect in scales:
            by_aspect[answer.aspect].append(answer)
    return {key: _order(by_aspect[key]) for key in scales}


def _of_ratings(rows: Sequence[RatedPair]) -> SideEffect:
    left = [row.test if row.test_is_left else row.base for row in rows]
    right = [row.base if row.test_is_left else row.test for row in rows]
    sides = [1.0 if row.test_is_left else -1.0 for row in rows]
    return _sides([row.participant for row in rows], left, right, sides)


def _of_choices(rows: Sequence[Preference]) -> SideEffect:
    known = [row for row in rows if row.test_is_left is not None]
    left = [int(row.value == _LEFT) for row in known]
    right = [int(row.value == _RIGHT) for row in known]
    return _sides([row.participant for row in known], left, right, [1.0 if row.test_is_left else -1.0 for row in known])


def _sides(people: Sequence[str], left: Sequence[int], right: Sequence[int], sides: Sequence[float]) -> SideEffect:
    differences = [a - b for a, b in zip(left, right, strict=True)]
    fit = adjusted_mean(people, differences, sides, span=max(map(abs, differences), default=None))
    return SideEffect(
        left_mean=sum(left) / len(left) if left else None,
        right_mean=sum(right) / len(right) if right else None,
        difference=fit.estimate,
        ci=fit.ci,
        p=fit.p,
        n=len(left),
        reason="not_counterbalanced" if fit.reason == "no_variation" else fit.reason,
    )


def _order(answers: Sequence[Answer]) -> OrderEffect:
    points: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for answer in answers:
        points[answer.participant].append((answer.ordinal, answer.value))
    slopes = np.array([slope for own in points.values() if (slope := _slope(own)) is not None])
    if not len(slopes):
        return OrderEffect(slope=None, ci=None, n=0, reason="no_data" if not points else "single_part")
    ci = t_interval(slopes)
    alone = "single_participant" if len(slopes) < 2 else "no_variation_of_differences"
    return OrderEffect(slope=float(slopes.mean()), ci=ci, n=len(slopes), reason=None if ci else alone)


def _slope(points: Sequence[tuple[int, int]]) -> float | None:
    x, y = np.array(points, dtype=float).T
    spread = float(((x - x.mean()) ** 2).sum())
    return float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread > 0 else None
