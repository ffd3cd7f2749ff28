"""Length against rating: the comparison at equal length, and the points of a figure."""

import random
from collections.abc import Sequence

import scipy

from annotation.models import Aspect
from modelhub.analysis.answers import Answer
from modelhub.analysis.data import Data
from modelhub.analysis.pairs import RatedPair
from modelhub.results.comparison import LengthAdjusted
from modelhub.results.presentation import LengthReport, RankCorrelation, RatedWords
from modelhub.stats.adjusted import adjusted_mean

MOST_ROWS = 5000
METHOD = (
    "Least squares of the difference in rating on the difference in words within pairs, every participant weighing the "
    "same; the difference expected at equal length, with a jackknife over participants, and over prompts where these "
    "are shared."
)


def length_adjusted(rows: Sequence[RatedPair], *, span: float, prompts_fixed: bool) -> LengthAdjusted:
    """Return the difference test minus base that is expected were both outputs of the same number of words.

    Pairs with an erased text are left out. It generalises over what the difference itself does.
    """
    known = [(row, row.test_words - row.base_words) for row in rows
             if row.test_words is not None and row.base_words is not None]  # fmt: skip
    fit = adjusted_mean(
        [row.participant for row, _ in known],
        [row.difference for row, _ in known],
        [longer for _, longer in known],
        prompts=None if prompts_fixed else [row.item for row, _ in known],
        span=span,
    )
    return LengthAdjusted(
        mean_difference=fit.estimate,
        ci=fit.ci,
        p=fit.p,
        slope_per_100_words=None if fit.slope is None else 100 * fit.slope,
        words_difference=sum(longer for _, longer in known) / len(known) if known else None,
        n_pairs=len(known),
        method=METHOD,
        reason="no_length_variation" if fit.reason == "no_variation" else fit.reason,
    )


def length_report(data: Data, *, seed: int) -> LengthReport:
    """Return (words, rating) of single ratings, at most MOST_ROWS of them drawn with `seed`, and their correlation."""
    scales = {question.key: question for question in data.of_kind(Aspect.Kind.RATING) if question.has_mean}
    rated: list[tuple[Answer, int]] = []
    points: dict[str, tuple[list[int], list[int]]] = {key: ([], []) for key in scales}
    for answer in data.main:
        words = data.output_words.get(answer.output or "")
        if answer.aspect not in scales or words is None:
            continue
        points[answer.aspect][0].append(words)
        points[answer.aspect][1].append(scales[answer.aspect].score(answer.value))
        rated.append((answer, words))
    sampled = len(rated) > MOST_ROWS
    return LengthReport(
        rows=[
            RatedWords(
                participant=answer.participant, item=answer.item, system=answer.system, words=words,
                aspect=answer.aspect, value=scales[answer.aspect].score(answer.value),
            )
            for answer, words in (random.Random(seed).sample(rated, MOST_ROWS) if sampled else rated)
        ],
        sampled=sampled,
        of=len(rated),
        correlation={key: _spearman(*both) for key, both in points.items()},
    )  # fmt: skip


def _spearman(words: Sequence[int], values: Sequence[int]) -> RankCorrelation:
    n = len(words)
    if n < 3:
        return RankCorrelation(spearman=None, n=n, reason="few_ratings" if n else "no_data")
    if len(set(words)) == 1 or len(set(values)) == 1:
        return RankCorrelation(spearman=None, n=n, reason="no_variation")
    return RankCorrelation(spearman=float(scipy.stats.spearmanr(words, values).statistic), n=n, reason=None)
