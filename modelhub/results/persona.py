"""Persona assessments: chosen against rejected personas, and how often people picked the right response."""

from typing import Literal

from modelhub.results.base import Interval, Part
from modelhub.results.comparison import DirectionsCompared
from modelhub.results.judge import JudgedPicks


class DirectionMean(Part):
    """The answers on one direction: their mean, or the share of the upper of two; over preference pairs.

    `n` counts personas. `reason` is the code of why there is no number, or no interval.
    """

    n: int
    mean: float | None = None
    share: float | None = None
    ci: Interval | None
    reason: str | None


class DirectionsGroup(Part):
    """Chosen against rejected personas on one question, among some of the personas."""

    chosen: DirectionMean
    rejected: DirectionMean
    comparison: DirectionsCompared


class AspectAssessment(DirectionsGroup):
    """Chosen against rejected on one question: all of them, by data set, and by the system that inferred them.

    `measure` names the field of the directions that holds their number.
    """

    measure: Literal["mean", "share"]
    holm_p: float | None = None
    by_stratum: dict[str, DirectionsGroup]
    by_inferring_system: dict[str, DirectionsGroup]


class PickShare(Part):
    """How many picks were of the response that the persona was inferred from."""

    n: int
    correct: int
    share: float | None
    ci: Interval | None
    reason: str | None


class PersonaAccuracy(Part):
    """Human persona accuracy. `gap` is chosen less rejected, in shares; `reason` has the code of why none of it."""

    overall: PickShare
    chosen: PickShare
    rejected: PickShare
    gap: float | None
    gap_ci: Interval | None
    reason: str | None
    by_stratum: dict[str, PickShare]
    by_inferring_system: dict[str, PickShare]
    judge: JudgedPicks | None


class PersonaResults(Part):
    """A persona assessment by question; `accuracy` is None where nothing was to be picked.

    `raters` says whether intervals and tests speak of other raters too (`sampled`) or of these (`fixed`); `caveat` says
    so in words.
    """

    raters: Literal["sampled", "fixed"]
    caveat: str
    aspects: dict[str, AspectAssessment]
    accuracy: PersonaAccuracy | None
