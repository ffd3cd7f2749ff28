"""What may have coloured the ratings: length, the side of the page, and the order of the parts."""

from modelhub.results.base import Interval, Part


class RatedWords(Part):
    """One rating with the words of what was rated."""

    participant: str
    item: str
    system: str | None
    words: int
    aspect: str
    value: int


class RankCorrelation(Part):
    """Spearman's correlation of words with ratings."""

    spearman: float | None
    n: int
    reason: str | None


class LengthReport(Part):
    """Single ratings with words, a sample of them where `sampled`; `of` counts all. Correlations are by aspect."""

    rows: list[RatedWords]
    sampled: bool
    of: int
    correlation: dict[str, RankCorrelation]


class SideEffect(Part):
    """Left minus right, adjusted for which system stood left; of comparisons, in shares chosen."""

    left_mean: float | None
    right_mean: float | None
    difference: float | None
    ci: Interval | None
    p: float | None
    n: int
    reason: str | None


class OrderEffect(Part):
    """Points by which answers rise from one part to the next: mean of participants' slopes."""

    slope: float | None
    ci: Interval | None
    n: int
    reason: str | None
