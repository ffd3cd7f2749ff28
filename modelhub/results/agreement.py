"""Agreement among raters: every coefficient with its interval, by design, question and group."""

from pydantic import Field

from modelhub.results.base import Interval, Part


class MeasureInterval(Part):
    """The 95 % interval of one measure, over items with the raters as they are; `reason` is the code of why none."""

    ci: Interval | None
    method: str | None
    reason: str | None
    warnings: list[str]


class RaterLine(Part):
    """One rater against the others on the same items; see `rater_diagnostics` in modelhub/stats/raters.py."""

    rater: str
    ratings: int
    modal_share: float | None
    alpha_without: float | None
    alpha_change: float | None
    bias: float | None
    mean_absolute_deviation: float | None
    sd: float | None
    correlation: float | None
    reasons: dict[str, str]


class PairKappa(Part):
    """Cohen's kappa of two raters on the items that both rated."""

    raters: tuple[str, str]
    items: int
    kappa: float | None
    reason: str | None
    interval: MeasureInterval


class AgreementReport(Part):
    """Every agreement measure of one table of ratings.

    Either `gwet_ac1` or `gwet_ac2` is a number, by the level. `intervals` has one of every measure by its field's
    name; `alpha_ci` and `alpha_ci_method` are those of alpha. `overlap_histogram` counts items by their ratings.
    """

    level: str
    domain: list[int | float | str]
    items: int
    raters: int
    ratings: int
    pairable_items: int
    overlap_histogram: dict[int, int]
    distribution: dict[str, int]
    percent_agreement: float | None = None
    percent_within_1: float | None = None
    krippendorff_alpha: float | None = None
    alpha_ci: Interval | None = None
    alpha_ci_method: str | None = None
    gwet_ac1: float | None = None
    gwet_ac2: float | None = None
    fleiss_kappa: float | None = None
    conger_kappa: float | None = None
    brennan_prediger: float | None = None
    icc_a1: float | None = None
    icc_c1: float | None = None
    intervals: dict[str, MeasureInterval] = Field(default_factory=dict)
    pairwise_kappa: list[PairKappa] = Field(default_factory=list)
    rater_diagnostics: list[RaterLine] = Field(default_factory=list)
    reasons: dict[str, str] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)


class AspectAgreement(Part):
    """The agreement on one question in one design: pooled, and apart by what was rated and by data set.

    `people` gave the ratings; of repetitions, the two times of one person count as raters.
    """

    people: int
    pooled: AgreementReport
    by_system: dict[str, AgreementReport] = Field(default_factory=dict)
    by_condition: dict[str, AgreementReport] = Field(default_factory=dict)
    by_stratum: dict[str, AgreementReport] = Field(default_factory=dict)


class DesignAgreement(Part):
    """The agreement of a study: designs (overlap, shared_personas, repeat), then questions by key."""

    note: str
    designs: dict[str, dict[str, AspectAgreement]]
