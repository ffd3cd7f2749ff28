"""The declared analysis of a study file: what does not go together in it."""

from collections.abc import Iterator
from typing import Any

from annotation.models import Aspect, Study
from annotation.studyfile.aspects import bounds
from annotation.studyfile.problems import Problem
from annotation.studyfile.schema_aspects import SLIDER
from annotation.studyfile.schema_options import Analysis
from annotation.studyfile.yamltree import YamlTree


def analysis_problems(parts: dict[str, Any], tree: YamlTree) -> Iterator[Problem]:
    """Yield aspects that are not there or cannot be tested so, and arms that are not there or not compared so."""
    analysis: Analysis = parts["analysis"]
    if "aspects" in parts:
        yield from _family_problems(analysis, parts["aspects"], tree)
        yield from _margin_problems(analysis, parts["aspects"], tree)
    if "kind" in parts:
        yield from _arm_problems(analysis, parts, tree)


def _family_problems(analysis: Analysis, aspects: list[Any], tree: YamlTree) -> Iterator[Problem]:
    known = [aspect.key for aspect in aspects if aspect.type != Aspect.Kind.PICK]
    for index, key in enumerate(analysis.family):
        if key not in known:
            message = f"{key!r} is no aspect that systems or personas are compared on; use one of {', '.join(known)}"
            yield tree.problem(["analysis", "family", index], message)
        elif key in analysis.family[:index]:
            yield tree.problem(["analysis", "family", index], f"{key!r} stands here twice; remove one")


def _margin_problems(analysis: Analysis, aspects: list[Any], tree: YamlTree) -> Iterator[Problem]:
    scales = (Aspect.Kind.RATING, SLIDER, Aspect.Kind.PERSONA)
    known = {aspect.key: aspect for aspect in aspects if aspect.type in scales}
    for key, margin in analysis.margin.items():
        if key not in known:
            message = f"is no aspect with a scale; a margin is in points of one of {', '.join(known)}"
            yield tree.problem(["analysis", "margin", key], message)
            continue
        lowest, highest = bounds(known[key])
        widest = highest - lowest
        if margin >= widest:
            message = f"is {margin:g} points, and the whole scale is {widest}: nothing could fail; lower it"
            yield tree.problem(["analysis", "margin", key], message)


def _arm_problems(analysis: Analysis, parts: dict[str, Any], tree: YamlTree) -> Iterator[Problem]:
    named: list[tuple[list[str | int], int]] = []
    if analysis.base is not None:
        named.append((["analysis", "base"], analysis.base))
    for index, pair in enumerate(analysis.comparisons):
        place: list[str | int] = ["analysis", "comparisons", index]
        named += [([*place, side], arm) for side, arm in enumerate(pair)]
        if pair[0] == pair[1]:
            yield tree.problem(place, f"compares arm {pair[0]} with itself; write [base, test], two arms")
        elif any(sorted(pair) == sorted(other) for other in analysis.comparisons[:index]):
            yield tree.problem(place, f"arms {pair[0]} and {pair[1]} stand here twice; remove one")
    if parts["kind"] == Study.Kind.PERSONA_ASSESSMENT:
        message = "does not belong to a persona_assessment, which compares chosen with rejected; remove it"
        yield from (
            tree.problem(["analysis", key], message) for key in dict.fromkeys(str(where[1]) for where, _ in named)
        )
    elif "arms" in parts:
        arms = parts["arms"] if isinstance(parts["arms"], int) else len(parts["arms"])
        for where, arm in named:
            if arm > arms:
                yield tree.problem(where, f"is {arm}, and there are {arms} arms; name one of them")
    if parts["kind"] != Study.Kind.PERSONA_ASSESSMENT and analysis.raters == "sampled":
        message = "is for a persona_assessment; elsewhere participants are sampled always: remove it"
        yield tree.problem(["analysis", "raters"], message)
