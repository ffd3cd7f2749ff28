"""How well people tell which response a persona was inferred from: picks, clustered by preference pair."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from annotation.models import Aspect
from modelhub.analysis.answers import Answer
from modelhub.analysis.data import CHOSEN, REJECTED, Data
from modelhub.analysis.judge import accuracy_against_judge
from modelhub.files.pairs import RESPONSES
from modelhub.results.persona import PersonaAccuracy, PickShare
from modelhub.stats.adjusted import clustered_share
from modelhub.stats.crossed import Cells, ratio, spread_of
from modelhub.stats.ratings import FloatArray
from modelhub.stats.winrate import Verdict

Found = TypeVar("Found")


def accuracy_report(data: Data, verdicts: Sequence[Verdict]) -> PersonaAccuracy | None:
    """Return how often people picked the persona's own response, with the gap between chosen and rejected ones."""
    picks = {question.key for question in data.of_kind(Aspect.Kind.PICK)}
    if not picks:
        return None
    known = [a for a in data.main if a.aspect in picks and a.preferred and _own(data, a) in (CHOSEN, REJECTED)]

    def share(some: Sequence[Answer]) -> PickShare:
        return _share(data, some)

    gap, gap_ci, reason = _gap(data, known)
    return PersonaAccuracy(
        overall=share(known),
        chosen=share([answer for answer in known if _own(data, answer) == CHOSEN]),
        rejected=share([answer for answer in known if _own(data, answer) == REJECTED]),
        gap=gap,
        gap_ci=gap_ci,
        reason=reason,
        by_stratum=by_stratum(data, known, share),
        by_inferring_system=by_inferring_system(data, known, share),
        judge=accuracy_against_judge(data, known, verdicts) if verdicts else None,
    )


def by_stratum(data: Data, answers: Sequence[Answer], of: Callable[[Sequence[Answer]], Found]) -> dict[str, Found]:
    """Return what `of` finds in the answers on each data set."""
    return _split(answers, data.strata, lambda answer: answer.stratum, of)


def by_inferring_system(
    data: Data, answers: Sequence[Answer], of: Callable[[Sequence[Answer]], Found]
) -> dict[str, Found]:
    """Return what `of` finds in the answers on the personas that each system inferred."""
    names = sorted({origin.inferring_system for origin in data.origins.values()} - {""})

    def inferring(answer: Answer) -> str:
        origin = data.origins.get(answer.persona)
        return origin.inferring_system if origin else ""

    return _split(answers, names, inferring, of)


def _split(
    answers: Sequence[Answer],
    names: Iterable[str],
    group: Callable[[Answer], str],
    of: Callable[[Sequence[Answer]], Found],
) -> dict[str, Found]:
    groups: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        groups[group(answer)].append(answer)
    return {name: of(groups[name]) for name in names}


def _own(data: Data, answer: Answer) -> str:
    origin = data.origins.get(answer.persona)
    return origin.direction if origin else ""


def _is_hit(data: Data, answer: Answer) -> bool:
    """Whether the response picked is the one that the persona explains."""
    return (answer.preferred == RESPONSES[CHOSEN]) == (_own(data, answer) == CHOSEN)


def _share(data: Data, answers: Sequence[Answer]) -> PickShare:
    """Return the share of hits: with raters sampled, crossed with preference pairs; else clustered by these alone."""
    hits = [int(_is_hit(data, answer)) for answer in answers]
    if not data.raters_sampled or not answers:
        return PickShare.model_validate(clustered_share(hits, [answer.item for answer in answers]))
    cells = _cells(data, answers)
    rows = np.stack([np.ones(len(hits)), np.array(hits, dtype=float)], axis=1)
    spread = spread_of(cells.sums(rows), lambda sums: ratio(sums[:, 1], sums[:, 0]))
    return PickShare(
        n=len(hits),
        correct=sum(hits),
        share=sum(hits) / len(hits),
        ci=spread.bounded_interval(0.0, 1.0) if spread else None,
        reason=None if spread else _why_no_interval(cells),
    )


def _gap(data: Data, answers: Sequence[Answer]) -> tuple[float | None, tuple[float, float] | None, str | None]:
    """Return accuracy on chosen less accuracy on rejected personas, its jackknife interval, and why there is none."""
    chosen = np.array([_own(data, answer) == CHOSEN for answer in answers], dtype=float)
    if not 0 < chosen.sum() < len(answers):
        return None, None, "one_direction_only" if answers else "no_data"
    hits = np.array([_is_hit(data, answer) for answer in answers], dtype=float)
    cells = _cells(data, answers)
    sums = cells.sums(np.stack([chosen, chosen * hits, 1 - chosen, (1 - chosen) * hits], axis=1))
    gap = float(_gaps(sums.total[None])[0])
    spread = spread_of(sums, _gaps)
    if spread is None:
        return gap, None, _why_no_interval(cells)
    return gap, spread.interval(span=1.0), None if spread.varies else "no_variation_of_differences"


def _gaps(sums: FloatArray) -> FloatArray:
    return np.asarray(ratio(sums[:, 1], sums[:, 0]) - ratio(sums[:, 3], sums[:, 2]))


def _cells(data: Data, answers: Sequence[Answer]) -> Cells:
    raters = [answer.participant for answer in answers] if data.raters_sampled else None
    return Cells([answer.item for answer in answers], raters)


def _why_no_interval(cells: Cells) -> str:
    codes = {"single_participant": "single_pair", "single_prompt": "single_rater"}
    return codes.get(cells.why_no_spread or "", "unstable_pairs")
