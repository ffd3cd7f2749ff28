"""Questions of a study file as they are stored, and back: what each way to ask becomes."""

from typing import Any

from annotation.models import Aspect
from annotation.orders import orders_of
from annotation.studyfile.definition import AspectDefinition
from annotation.studyfile.schema_aspects import (
    SLIDER,
    AnyAspect,
    ComparisonAspect,
    OrderAspect,
    PickAspect,
    RatingAspect,
    SliderAspect,
    SpanAspect,
)

_OPTIONS = {
    Aspect.Kind.COMPARISON.value: Aspect.COMPARISON_OPTIONS,
    Aspect.Kind.PICK.value: Aspect.PICK_OPTIONS,
    Aspect.Kind.RANKING.value: Aspect.ORDER_OPTIONS,
    Aspect.Kind.BEST_WORST.value: Aspect.ORDER_OPTIONS,
}
_ENDS = ("low", "middle", "high")


def aspect_definition(aspect: AnyAspect, *, arms: int) -> AspectDefinition:
    """Return how a question is stored in a study with so many arms."""
    level, (minimum, maximum), labels = _scale(aspect, arms)
    return AspectDefinition(
        key=aspect.key,
        name=aspect.name,
        kind=Aspect.Kind.RATING.value if isinstance(aspect, SliderAspect) else aspect.type,
        level=level,
        question=aspect.question,
        question_for_others=aspect.question_for_others or aspect.question,
        minimum=minimum,
        maximum=maximum,
        labels=labels,
        marking={"reason": aspect.reason, "labels": list(aspect.labels)} if isinstance(aspect, SpanAspect) else {},
        **_asked_if(aspect),
        before_persona=not isinstance(aspect, PickAspect | SpanAspect) and aspect.before_persona,
    )


def _asked_if(aspect: AnyAspect) -> dict[str, Any]:
    condition = aspect.only_if if isinstance(aspect, RatingAspect | SliderAspect | SpanAspect) else None
    return {"asked_if": condition.aspect, "asked_if_values": condition.values} if condition else {}


def bounds(aspect: RatingAspect | SliderAspect) -> tuple[int, int]:
    """Return the lowest and the highest value of a scale."""
    return (
        (aspect.minimum, aspect.maximum) if isinstance(aspect, SliderAspect) else (min(aspect.scale), max(aspect.scale))
    )


def _scale(aspect: AnyAspect, arms: int) -> tuple[str, tuple[int, int], list[str]]:
    """Return level, bounds and labels."""
    if isinstance(aspect, ComparisonAspect | PickAspect | OrderAspect):
        labels = [getattr(aspect.options, option) for option in _OPTIONS[aspect.type]]
        highest = len(labels)
        if isinstance(aspect, OrderAspect):
            highest = len(orders_of(arms, all_places=aspect.type == "ranking"))
        return Aspect.Level.NOMINAL.value, (1, highest), labels
    if isinstance(aspect, SliderAspect):
        ends = [getattr(aspect.ends, end) for end in _ENDS]
        return Aspect.Level.INTERVAL.value, bounds(aspect), [label for label in ends if label]
    if isinstance(aspect, SpanAspect):
        return Aspect.Level.NOMINAL.value, (0, aspect.most), list(aspect.labels.values())
    return aspect.level, bounds(aspect), list(aspect.scale.values())


def aspect_data(aspect: AspectDefinition) -> dict[str, Any]:
    """Return a question as a study file has it, with all that has a default."""
    found: dict[str, Any] = {
        "key": aspect.key,
        "name": aspect.name,
        "type": aspect.kind,
        "level": aspect.level,
        "question": aspect.question,
        "question_for_others": aspect.question_for_others,
    }
    if aspect.asked_if:
        found["only_if"] = {"aspect": aspect.asked_if, "values": list(aspect.asked_if_values)}
    if aspect.before_persona:
        found["before_persona"] = True
    if aspect.kind in _OPTIONS:
        del found["level"]
        return {**found, "options": dict(zip(_OPTIONS[aspect.kind], aspect.labels, strict=True))}
    if aspect.kind == Aspect.Kind.SPAN:
        del found["level"]
        labels = dict(zip(aspect.marking["labels"], aspect.labels, strict=True))
        return {**found, "labels": labels, "reason": aspect.marking["reason"], "most": aspect.maximum}
    if aspect.level == Aspect.Level.INTERVAL:
        del found["level"]
        ends = _ENDS if len(aspect.labels) == len(_ENDS) else (_ENDS[0], _ENDS[-1])
        points = {"minimum": aspect.minimum, "maximum": aspect.maximum}
        return {**found, "type": SLIDER, **points, "ends": dict(zip(ends, aspect.labels, strict=True))}
    return {**found, "scale": scale_data(aspect)}


def scale_data(aspect: AspectDefinition) -> dict[int, str]:
    """Return the labels by value, where each value has one."""
    return dict(enumerate(aspect.labels, start=aspect.minimum))
