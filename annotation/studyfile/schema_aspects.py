"""What a study file may hold under `aspects`: one section for each way to ask."""

from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from pydantic import BeforeValidator, Discriminator, Field, StrictBool, StrictInt, Tag, model_validator

from annotation.fields import Line
from annotation.models import Aspect
from annotation.studyfile.schema_base import SLUG, FileSection, Question
from annotation.studyfile.text import parse_scale

SLIDER = "slider"  # what a study file calls a rating of level interval
# As far as the points of a scale may go.
SliderEnd = Annotated[StrictInt, Field(ge=-1000, le=1000)]

_aspect = {field.name: getattr(field, "max_length", None) for field in Aspect._meta.fields}
Key = Annotated[Line, Field(pattern=SLUG, max_length=_aspect["key"])]
# How many passages may be marked in one response.
MostPassages = Annotated[StrictInt, Field(ge=1, le=20)]
Name = Annotated[Line, Field(max_length=_aspect["name"])]


class Condition(FileSection):
    """Which answers to another question about the same response, or persona, lead to this one."""

    aspect: Line
    values: Annotated[list[StrictInt], Field(min_length=1)]


class RatingAspect(FileSection):
    """A question about each response, or about the persona, answered on a scale."""

    key: Key
    name: Name
    type: Literal["rating", "slider", "comparison", "ranking", "best_worst", "span", "persona", "pick"] = "rating"
    level: Literal["nominal", "ordinal"] = "ordinal"
    question: Question
    question_for_others: Question | None = None
    scale: Annotated[dict[int, str], BeforeValidator(parse_scale)]
    only_if: Condition | None = None
    before_persona: StrictBool = False


class SliderEnds(FileSection):
    """What stands at the ends of a slider, and in its middle."""

    low: Line
    high: Line
    middle: Line = ""


class SliderAspect(FileSection):
    """A question about each response, answered anywhere between two ends."""

    key: Key
    name: Name
    type: Literal["slider"]
    question: Question
    question_for_others: Question | None = None
    minimum: SliderEnd = 0
    maximum: SliderEnd = 100
    ends: SliderEnds
    only_if: Condition | None = None
    before_persona: StrictBool = False

    @model_validator(mode="after")
    def _check_bounds(self) -> "SliderAspect":
        if self.minimum >= self.maximum:
            raise ValueError(f"goes from {self.minimum} to {self.maximum}; the maximum must be the higher one")
        return self


class ComparisonOptions(FileSection):
    """The words of the four answers, by default in the study's language; sides are those that the participant sees."""

    left: Line = Field(default_factory=lambda: _("Response A is better"))
    right: Line = Field(default_factory=lambda: _("Response B is better"))
    tie: Line = Field(default_factory=lambda: _("About equally good"))
    both_bad: Line = Field(default_factory=lambda: _("Both are bad"))


class ComparisonAspect(FileSection):
    """A question about the two responses together."""

    key: Key
    name: Name
    type: Literal["comparison"]
    question: Question
    question_for_others: Question | None = None
    options: ComparisonOptions = Field(default_factory=ComparisonOptions)
    before_persona: StrictBool = False


class PickOptions(FileSection):
    """The words of the two answers, by default in the study's language; sides are those that the participant sees."""

    left: Line = Field(default_factory=lambda: _("Response A"))
    right: Line = Field(default_factory=lambda: _("Response B"))


class PickAspect(FileSection):
    """Which of the two responses the person described would prefer."""

    key: Key
    name: Name
    type: Literal["pick"]
    question: Question
    question_for_others: Question | None = None
    options: PickOptions = Field(default_factory=PickOptions)


class OrderOptions(FileSection):
    """What the first and the last place are called, by default in the study's language."""

    best: Line = Field(default_factory=lambda: _("Best"))
    worst: Line = Field(default_factory=lambda: _("Worst"))


class OrderAspect(FileSection):
    """All responses put in an order, or the best and the worst of them."""

    key: Key
    name: Name
    type: Literal["ranking", "best_worst"]
    question: Question
    question_for_others: Question | None = None
    options: OrderOptions = Field(default_factory=OrderOptions)
    before_persona: StrictBool = False


class SpanAspect(FileSection):
    """Passages of each response that are marked, each with a label, where there are some, and a reason."""

    key: Key
    name: Name
    type: Literal["span"]
    question: Question
    question_for_others: Question | None = None
    labels: dict[Key, Line] = Field(default_factory=dict)
    reason: Literal["required", "optional", "none"] = "required"
    most: MostPassages = 10
    only_if: Condition | None = None


_TAGS = {"comparison": "<comparison>", "pick": "<pick>", "slider": "<slider>", "ranking": "<order>",
         "best_worst": "<order>", "span": "<span>"}  # fmt: skip


def _aspect_type(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return _TAGS.get(kind, "<rating>") if isinstance(kind, str) else "<rating>"


AnyAspect = Annotated[
    Annotated[RatingAspect, Tag("<rating>")]
    | Annotated[ComparisonAspect, Tag("<comparison>")]
    | Annotated[PickAspect, Tag("<pick>")]
    | Annotated[SliderAspect, Tag("<slider>")]
    | Annotated[OrderAspect, Tag("<order>")]
    | Annotated[SpanAspect, Tag("<span>")],
    Discriminator(_aspect_type),
]
