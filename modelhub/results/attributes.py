"""What preferences reward: attributes of texts, chosen against rejected, and how people and a judge weigh them."""

from typing import Literal

from modelhub.results.base import Interval, Part

TextSide = Literal["responses", "personas"]


class AttributeContrast(Part):
    """One attribute of chosen against rejected texts over pairs. `unit` says what the means count.

    `effect` is the mean difference chosen minus rejected in standard deviations of single texts. `share_chosen_more` is
    over all pairs, `p_chosen_given_more` over those that differ: of these, the share in which chosen has more.
    """

    attribute: str
    unit: str
    pairs: int
    differing: int
    mean_chosen: float | None
    mean_rejected: float | None
    difference: float | None
    difference_ci: Interval | None
    effect: float | None
    effect_ci: Interval | None
    share_chosen_more: float | None
    share_chosen_more_ci: Interval | None
    p_chosen_given_more: float | None
    p_chosen_given_more_ci: Interval | None
    reasons: dict[str, str]


class AttributeGroup(Part):
    """The attributes on one data set, or on all of them (an empty name), pairs weighing the same."""

    dataset: str
    texts: TextSide
    attributes: list[AttributeContrast]


class AttributeWeight(Part):
    """How the preference for one of two outputs goes with the difference in one attribute.

    `association` is Pearson's correlation of the differences test minus base; `without_length` is the same with the
    difference in words held fixed.
    """

    attribute: str
    n: int
    clusters: int
    association: float | None
    association_ci: Interval | None
    without_length: float | None
    without_length_ci: Interval | None
    reasons: dict[str, str]


class Weighing(Part):
    """Who weighs (`people` of a study, or a `judge`), on which question, and how much each attribute counts."""

    who: Literal["preferences", "people", "judge"]
    name: str
    question: str
    clustered_by: list[Literal["participants", "prompts", "preference_pairs"]]
    weights: list[AttributeWeight]


class AttributeReport(Part):
    """What preference data reward, and beside it how people and judges weigh the same attributes."""

    groups: list[AttributeGroup]
    weighing: list[Weighing]
    ci_method: str
    generalises_over: list[Literal["preference_pairs"]]
