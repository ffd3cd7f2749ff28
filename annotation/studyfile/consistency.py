"""What is right in itself but does not go together."""

from collections.abc import Iterator
from typing import Any

from annotation.models import Aspect, Study
from annotation.orders import FEWEST
from annotation.studyfile.definition import ItemDefinition
from annotation.studyfile.problems import Problem
from annotation.studyfile.schema import Design
from annotation.studyfile.schema_options import Recruitment
from annotation.studyfile.yamltree import YamlTree

_OF_A_PAIR = (Aspect.Kind.COMPARISON, Aspect.Kind.PICK)
_OF_SEVERAL = (Aspect.Kind.RANKING, Aspect.Kind.BEST_WORST)


def consistency_problems(
    parts: dict[str, Any], items: list[ItemDefinition] | None, tree: YamlTree
) -> Iterator[Problem]:
    """Yield what does not go together. `parts` lacks, and `items` is None for, what is wrong in itself.

    Lists are looked at as they stand in the file: a mistake in one entry must not hide those of the others.
    """
    aspects = _entries(tree, "aspects")
    arms = _number_of_arms(parts)
    yield from _repeated_aspects(aspects, tree)
    yield from _comparison_problems(aspects, arms, tree, is_rating=parts.get("kind") == Study.Kind.OUTPUT_RATING)
    yield from _condition_problems(aspects, tree)
    yield from _step_problems(aspects, tree, is_assessment=parts.get("kind") == Study.Kind.PERSONA_ASSESSMENT)
    if arms is not None:
        yield from _practice_problems(arms, tree)
    if "arms" in parts and not isinstance(parts["arms"], int) and all(arm.control for arm in parts["arms"]):
        yield tree.problem(["arms"], "every arm is a control; leave at least one that is not")
    if "recruitment" in parts:
        yield from _recruitment_problems(parts["recruitment"], tree)
    if "design" in parts:
        yield from _design_problems(parts["design"], items, tree)
        yield from _sharing_problems(parts["design"], parts, tree)


def _entries(tree: YamlTree, key: str) -> list[tuple[int, dict[Any, Any]]]:
    listed = tree.data.get(key)
    return [(n, entry) for n, entry in enumerate(listed if isinstance(listed, list) else []) if isinstance(entry, dict)]


def _number_of_arms(parts: dict[str, Any]) -> int | None:
    arms = parts.get("arms")
    return len(arms) if isinstance(arms, list) else arms


def _repeated_aspects(aspects: list[tuple[int, dict[Any, Any]]], tree: YamlTree) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, aspect in aspects:
        key = aspect.get("key")
        if isinstance(key, str) and first.setdefault(key, index) != index:
            yield tree.problem(
                ["aspects", index, "key"], f"{key!r} is the key of aspects[{first[key]}] too; rename one"
            )


def _comparison_problems(
    aspects: list[tuple[int, dict[Any, Any]]], arms: int | None, tree: YamlTree, *, is_rating: bool
) -> Iterator[Problem]:
    comparisons = [index for index, aspect in aspects if aspect.get("type") in _OF_A_PAIR]
    others = [aspect for _, aspect in aspects if aspect.get("type") in (*Aspect.OF_ALL, Aspect.Kind.PERSONA)]
    if is_rating and aspects and len(others) == len(aspects):
        yield tree.problem(["aspects"], "holds no rating of single responses; add an aspect with a scale")
    for index in comparisons if arms not in (None, 0, 2) else []:
        message = f"a comparison needs exactly two responses, and the study has {arms} arms; remove one or the other"
        yield tree.problem(["aspects", index, "type"], message)
    for index, aspect in aspects:
        if aspect.get("type") in _OF_SEVERAL and arms is not None and arms < FEWEST:
            message = f"needs {FEWEST} responses or more, and the study shows {arms}; write `type: comparison`"
            yield tree.problem(["aspects", index, "type"], message)


def _condition_problems(aspects: list[tuple[int, dict[Any, Any]]], tree: YamlTree) -> Iterator[Problem]:
    """A condition is about a scale of labelled points above it, which is asked always and about the same thing."""
    for index, aspect in aspects:
        condition = aspect.get("only_if")
        if not isinstance(condition, dict) or not isinstance(key := condition.get("aspect"), str):
            continue
        about = aspect.get("type", "rating") == Aspect.Kind.PERSONA
        fitting = {
            other["key"]: other.get("scale")
            for place, other in aspects
            if place < index
            and isinstance(other.get("key"), str)
            and other.get("type", "rating") == (Aspect.Kind.PERSONA if about else Aspect.Kind.RATING)
            and "only_if" not in other
        }
        if key not in fitting:
            known = f"use one of {', '.join(fitting)}" if fitting else "there is none here"
            message = f"{key!r} is no scale above this one that is always asked about the same; {known}"
            yield tree.problem(["aspects", index, "only_if", "aspect"], message)
            continue
        points, values = _points(fitting[key]), condition.get("values")
        for value in values if isinstance(values, list) else []:
            if points and value not in points:
                message = f"{value!r} is no answer to {key}; use some of {', '.join(map(str, points))}"
                yield tree.problem(["aspects", index, "only_if", "values"], message)


def _step_problems(
    aspects: list[tuple[int, dict[Any, Any]]], tree: YamlTree, *, is_assessment: bool
) -> Iterator[Problem]:
    """What is asked before the persona is shown is not about it, and something is left to be asked afterwards."""
    early = [(index, aspect) for index, aspect in aspects if aspect.get("before_persona") is True]
    keys = {aspect.get("key") for _, aspect in early}
    late = {aspect.get("key") for _, aspect in aspects} - keys
    for index, aspect in early:
        about_persona = aspect.get("type") == Aspect.Kind.PERSONA
        if is_assessment or about_persona:
            what = "a question about the persona" if about_persona else "a question of a persona assessment"
            yield tree.problem(["aspects", index, "before_persona"], f"{what} is asked beside it; remove this key")
        condition = aspect.get("only_if")
        key = condition.get("aspect") if isinstance(condition, dict) else None
        if isinstance(key, str) and key in late:
            message = (
                f"{key!r} is asked once the persona is shown, and this before it; write `before_persona: true` there"
            )
            yield tree.problem(["aspects", index, "only_if", "aspect"], message)
    if early and not late and not is_assessment:
        message = "are all asked before the persona is shown, which it then never is; leave `before_persona` out of one"
        yield tree.problem(["aspects"], message)


def _points(scale: Any) -> list[Any]:
    """Return the values of a scale, in either of the ways in which it may be written."""
    if isinstance(scale, list):
        return [point.get("value") for point in scale if isinstance(point, dict)]
    return list(scale) if isinstance(scale, dict) else []


def _practice_problems(arms: int, tree: YamlTree) -> Iterator[Problem]:
    for index, entry in _entries(tree, "practice"):
        responses = entry.get("responses", [])
        if isinstance(responses, list) and len(responses) != arms:
            message = f"has {len(responses)} responses, and the study has {arms} arms; write {arms}"
            yield tree.problem(["practice", index, "responses"], message)


def _sharing_problems(design: Design, parts: dict[str, Any], tree: YamlTree) -> Iterator[Problem]:
    if design.overlap_share and not design.written_personas_per_participant:
        message = "is a share of the written personas, and nobody writes any; use raters_per_item for given ones"
        yield tree.problem(["design", "overlap_share"], message)
    if design.blocks == "condition" and parts.get("items", "imported") != "imported":
        message = "condition is known of imported personas only; write `items: imported`, or balance by stratum"
        yield tree.problem(["design", "blocks"], message)


def _design_problems(design: Design, items: list[ItemDefinition] | None, tree: YamlTree) -> Iterator[Problem]:
    if not design.given_personas_per_participant and not design.written_personas_per_participant:
        message = (
            "gives participants nothing to do; set given_personas_per_participant or written_personas_per_participant"
        )
        yield tree.problem(["design"], message)
        return
    if items is None:
        return
    with_persona = sum(item.persona is not None for item in items)
    yield from _share_problems("given", "with", design.given_personas_per_participant, with_persona, tree)
    yield from _share_problems(
        "written", "without", design.written_personas_per_participant, len(items) - with_persona, tree
    )


def _share_problems(source: str, having: str, wanted: int, there: int, tree: YamlTree) -> Iterator[Problem]:
    name = f"{source}_personas_per_participant"
    if wanted > there:
        message = f"is {wanted}, but the number of items {having} a persona is {there}; lower it or add items"
        yield tree.problem(["design", name], message)
    if there and not wanted:
        message = f"is 0, so items {having} a persona ({there}) would never be shown; raise it or remove them"
        yield tree.problem(["design", name], message)


def _recruitment_problems(recruitment: Recruitment, tree: YamlTree) -> Iterator[Problem]:
    """Equal codes would say of everybody that the first of them happened."""
    codes = recruitment.prolific.model_dump(exclude={"signed"}) if recruitment.prolific else {}
    first: dict[str, str] = {}
    for name, code in codes.items():
        if first.setdefault(code, name) != name:
            message = f"is the code of {first[code]} too; make one on Prolific for each"
            yield tree.problem(["recruitment", "prolific", name], message)
