"""Two systems compared by people: ratings in pairs, wins, and the interaction with the data set."""

from typing import Literal

from modelhub.results.base import Interval, Part

Unit = Literal["participants", "prompts", "preference pairs", "raters"]


class WinTieLoss(Part):
    """Pairs in which the test system got the higher, the same, or the lower rating."""

    win: int
    tie: int
    loss: int


class Favouring(Part):
    """Participants whose mean difference favours each side."""

    test: int
    base: int
    neither: int


class NonInferiority(Part):
    """`lower_bound` is the one-sided 95 % bound, in points; it generalises over what the interval does."""

    margin: float
    lower_bound: float
    non_inferior: bool


class Equivalence(Part):
    """Two one-sided t-tests at the margin."""

    margin: float
    ci_90: Interval
    p: float
    equivalent: bool


class CrossedTest(Part):
    """The t-test against participants and prompts at once."""

    t: float
    df: float
    p: float


class Tests(Part):
    """The p-values of a paired comparison; the headline is the largest of those that generalise as its interval does.

    `smallest_p` is what the sign-flip test over participants could reach with as many untied ones.
    """

    sign_flip_p: float | None
    smallest_p: float | None
    sign_flip_method: str | None
    prompt_sign_flip_p: float | None
    quasi_t_p: float | None
    quasi_t: CrossedTest | None
    headline_p: float | None
    wilcoxon_p: float | None


class Effects(Part):
    """Effects other than the mean difference, each with its interval.

    `standardized` is the mean difference in units of the mean of both systems' standard deviations of single ratings.
    """

    win_tie_loss: WinTieLoss
    favouring: Favouring
    p_superiority: float | None
    p_superiority_ci: Interval | None
    rank_biserial: float | None
    rank_biserial_ci: Interval | None
    cliffs_delta_unpaired: float | None
    cliffs_delta_unpaired_ci: Interval | None
    standardized: float | None
    standardized_ci: Interval | None


class MarginTests(Part):
    """What is shown at the margin of the study file; both None without one."""

    non_inferiority: NonInferiority | None = None
    tost: Equivalence | None = None


class PairedReport(Tests, Effects, MarginTests):
    """The paired comparison of two systems on one aspect, test minus base, in points of the scale.

    The interval, the bounds and the headline p all generalise over what `generalises_over` names.
    """

    n_participants: int
    n_pairs: int
    n_prompts: int
    generalises_over: list[Unit]
    mean_base: float | None
    mean_test: float | None
    mean_difference: float | None
    ci: Interval | None
    ci_method: str
    ci_df: float | None
    reasons: dict[str, str]
    warnings: list[str]


class LengthAdjusted(Part):
    """The difference that is expected at equal length."""

    mean_difference: float | None
    ci: Interval | None
    p: float | None
    slope_per_100_words: float | None
    words_difference: float | None
    n_pairs: int
    method: str
    reason: str | None


class ParticipantMean(Part):
    """A participant's mean difference over their pairs."""

    participant: str
    difference: float
    pairs: int


class Tested(Part):
    """What every test has: whether it belongs to the declared family, and Holm's adjusted p over it."""

    holm_p: float | None = None
    family: str = "exploratory"


class AspectComparison(PairedReport, Tested):
    """A paired report with its length-adjusted result and the participants behind it."""

    length_adjusted: LengthAdjusted
    participant_means: list[ParticipantMean]


class Interaction(Part):
    """Whether the difference between the systems differs between strata: an F test of their equality."""

    strata: list[str]
    f: float | None
    df1: float | None
    df2: float | None
    p: float | None
    reason: str | None


class WinRates(Tested):
    """Wins, ties and losses of one aspect; net wins as a mean over participants."""

    source: Literal["comparison", "ratings"]
    n: int
    participants: int
    generalises_over: list[Unit]
    win: int
    tie: int
    both_bad: int
    loss: int
    net_win: float | None
    net_win_mean: float | None
    net_win_ci: Interval | None
    sign_flip_p: float | None
    prompt_sign_flip_p: float | None
    quasi_t_p: float | None
    headline_p: float | None
    win_share: float | None
    win_share_ci: Interval | None
    reasons: dict[str, str]
    warnings: list[str]


class HumanWinRates(Part):
    """Win rates by aspect, and Delta-PQ in points where both of its aspects were asked."""

    aspects: dict[str, WinRates]
    delta_pq: float | None
    delta_pq_ci: Interval | None
    delta_pq_aspects: tuple[str, str] | None
    reasons: dict[str, str]


class WordCounts(Part):
    """WordCounts per text."""

    n: int
    mean: float | None
    sd: float | None
    reasons: dict[str, str]


class Described(WordCounts):
    """Ratings of one system on one scale; `counts` by value."""

    counts: dict[str, int]


class ContrastStratum(Part):
    """Two systems on the answers of one stratum, by aspect."""

    comparisons: dict[str, AspectComparison]
    win_rates: HumanWinRates


class Stratum(ContrastStratum):
    """The answers of one stratum: the main contrast, and what every system got; by aspect, then by system."""

    descriptives: dict[str, dict[str, Described]]
    words: dict[str, WordCounts]


class Contrast(Part):
    """Two systems compared, by stratum; the pooled one, called "", comes first. `interactions` are by aspect."""

    base: str
    test: str
    strata: dict[str, ContrastStratum]
    interactions: dict[str, Interaction]


class DirectionsCompared(PairedReport, Tested):
    """Chosen against rejected personas over preference pairs, which are what the report calls participants here."""

    unit: str
    caveat: str
