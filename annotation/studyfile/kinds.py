"""What the kind of a study decides: its arms, its questions, and what can be asked about what is shown."""

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from annotation.models import Aspect, Study
from annotation.presets import preset_aspects
from annotation.studyfile.problems import Problem
from annotation.studyfile.schema import Preset
from annotation.studyfile.schema_aspects import SLIDER, AnyAspect
from annotation.studyfile.yamltree import YamlTree

RESPONSES = 2  # beside a persona that is assessed: those of one preference pair
_MISSING = "this key is missing; docs/study-file.md shows how to write it"
_ONLY_ASSESSMENT = "belongs to studies of kind persona_assessment only; remove it"
_NEEDS_RESPONSES = (Aspect.Kind.RATING.value, SLIDER, Aspect.Kind.SPAN.value, *Aspect.OF_ALL)
_ASPECTS: TypeAdapter[list[AnyAspect]] = TypeAdapter(list[AnyAspect])


def complete_parts(parts: dict[str, Any], tree: YamlTree) -> list[Problem]:
    """Fill in what follows from the kind and the preset; return what cannot be. `parts` lacks what is wrong in itself.

    Afterwards `parts["arms"]` and `parts["aspects"]` are there, unless something is wrong with them.
    """
    kinds = {
        Study.Kind.PERSONA_ASSESSMENT.value: _complete_assessment,
        Study.Kind.OUTPUT_RATING.value: _complete_output_rating,
    }
    problems = list(kinds[parts["kind"]](parts, tree)) if "kind" in parts else []
    for name in ("aspects", "arms"):
        if name in parts and parts[name] is None:  # what they are depends on something that is wrong
            del parts[name]
    return problems


def _complete_output_rating(parts: dict[str, Any], tree: YamlTree) -> Iterator[Problem]:
    for name in ("preset", "show_responses"):
        if parts.get(name) is not None:
            yield tree.problem([name], _ONLY_ASSESSMENT)
    for name in ("aspects", "arms"):
        if name in parts and parts[name] is None:
            yield tree.problem([name], _MISSING)
    design = parts.get("design")
    if parts.get("items") == "imported" and design and design.written_personas_per_participant:
        message = "imported items bring their personas; set given_personas_per_participant instead, or list the items"
        yield tree.problem(["design", "written_personas_per_participant"], message)
    parts["show_responses"] = True


def _complete_assessment(parts: dict[str, Any], tree: YamlTree) -> Iterator[Problem]:
    shown = parts.get("show_responses") is not False
    if parts.get("arms") is not None:
        message = (
            "a persona assessment has none: the responses beside a persona are arms by themselves; remove this key"
        )
        yield tree.problem(["arms"], message)
    parts["show_responses"], parts["arms"] = shown, RESPONSES if shown else 0
    if "aspects" in parts and "preset" in parts:
        yield from _add_preset(parts, tree)
    if parts.get("aspects"):
        yield from _assessment_problems(parts, shown, tree)
    design = parts.get("design")
    if design and design.written_personas_per_participant:
        message = "a persona assessment shows given personas only; set given_personas_per_participant instead"
        yield tree.problem(["design", "written_personas_per_participant"], message)


def _add_preset(parts: dict[str, Any], tree: YamlTree) -> Iterator[Problem]:
    preset: Preset | None = parts["preset"]
    own = parts["aspects"] or []
    if preset is None and not own:
        yield tree.problem(
            ["aspects"], "this key is missing; write `preset: persona_assessment`, or aspects of your own"
        )
        return
    ready = _ASPECTS.validate_python(preset_aspects(preset.name, preset.scales)) if preset else []
    keys = {aspect.key for aspect in ready}
    for index, aspect in enumerate(own):
        if aspect.key in keys:
            yield tree.problem(["aspects", index, "key"], f"{aspect.key!r} is a key of the preset too; rename it")
    for key in preset.scales if preset else ():
        if preset and key not in keys:
            yield tree.problem(
                ["preset", "scales", key], f"the preset {preset.name} asks nothing of that name; remove it"
            )
    parts["aspects"] = [*ready, *own]


def _assessment_problems(parts: dict[str, Any], shown: bool, tree: YamlTree) -> Iterator[Problem]:
    kinds = [aspect.type for aspect in parts["aspects"]]
    if not {Aspect.Kind.PERSONA, Aspect.Kind.PICK} & set(kinds):
        yield tree.problem(["aspects"], "asks nothing about the persona; add an aspect of type persona or pick")
    if not shown and set(kinds) & set(_NEEDS_RESPONSES):
        asked = ", ".join(sorted(set(kinds) & set(_NEEDS_RESPONSES)))
        message = f"is false, and aspects of type {asked} are about the responses; set it to true or remove the aspects"
        yield tree.problem(["show_responses"], message)
