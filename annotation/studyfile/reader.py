"""Read a study file: every mistake at once, or a complete definition."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, create_model

from annotation.models import Aspect
from annotation.studyfile import messages
from annotation.studyfile.consistency import consistency_problems
from annotation.studyfile.definition import (
    AspectDefinition,
    ItemDefinition,
    PracticeDefinition,
    StudyDefinition,
)
from annotation.studyfile.items import read_items
from annotation.studyfile.kinds import complete_parts
from annotation.studyfile.options import check_aspects, option_problems, optional_parts, planted_items
from annotation.studyfile.problems import Problem, StudyFileError
from annotation.studyfile.schema import AnyAspect, ComparisonAspect, FileSection, PickAspect, StudyFile
from annotation.studyfile.yamltree import YamlTree, load_yaml

# Each top-level key on its own, so that a mistake in one leaves the others to be checked against each other.
_PARTS: dict[str, type[BaseModel]] = {
    name: create_model(f"Part_{name}", __base__=FileSection, **{name: (field.annotation, field)})  # type: ignore[call-overload]
    for name, field in StudyFile.model_fields.items()
}


def read_study_file(path: Path) -> StudyDefinition:
    """Return the study that `path` defines, with its items read from wherever the file says.

    Raises:
        StudyFileError: with every mistake found, if there is any.
    """
    tree = load_yaml(path, str(path))
    problems = [*tree.repeated_keys(), *tree.rewritten_numbers()]
    parts = _validate_parts(tree, problems)
    problems += complete_parts(parts, tree)
    is_imported = parts.get("items") == "imported"
    items = None
    if "items" in parts and not is_imported:
        items = read_items(parts["items"], tree, path.parent, problems)
    problems += consistency_problems(parts, items, tree)
    problems += option_problems(parts, items, tree)
    if problems or (items is None and not is_imported):
        raise StudyFileError(sorted(problems, key=_reading_order))
    return _definition(parts, items or [])


def _reading_order(problem: Problem) -> tuple[str, int]:
    return problem.file, problem.place if isinstance(problem.place, int) else 0


def _validate_parts(tree: YamlTree, problems: list[Problem]) -> dict[str, Any]:
    """Return the top-level values that are right in themselves; add what is wrong with the others to `problems`."""
    for key in tree.data:
        if key not in _PARTS:
            problems.append(tree.problem([str(key)], messages.unknown_key(key, _PARTS)))
    parts = {}
    for name, part in _PARTS.items():
        given = {name: tree.data[name]} if name in tree.data else {}
        try:
            parts[name] = getattr(part.model_validate(given), name)
        except ValidationError as error:
            problems += [_problem(tree, details) for details in error.errors(include_url=False)]
    return parts


def _problem(tree: YamlTree, details: Any) -> Problem:
    path = messages.location(details)
    if details["type"] != "extra_forbidden":
        return tree.problem(path, messages.describe(details))
    *steps, key = details["loc"]
    return tree.problem(path, messages.unknown_key(key, messages.known_keys(steps)))


def _definition(parts: dict[str, Any], items: list[ItemDefinition]) -> StudyDefinition:
    arms = parts["arms"]
    texts = ("slug", "title", "kind", "contact", "consent", "instructions", "debrief", "content_warning")
    return StudyDefinition(
        **{name: parts[name] for name in texts},
        **parts["design"].model_dump(),
        **optional_parts(parts),
        aspects=[*(_aspect(aspect) for aspect in parts["aspects"]), *check_aspects(parts["checks"])],
        recruitment=parts["recruitment"].model_dump(exclude_none=True),
        arms=[False] * arms if isinstance(arms, int) else [arm.control for arm in arms],
        practice=[PracticeDefinition(**entry.model_dump()) for entry in parts["practice"]],
        items=[*items, *planted_items(parts["planted"])],
        items_imported=parts["items"] == "imported",
        show_responses=parts["show_responses"],
    )


def _aspect(aspect: AnyAspect) -> AspectDefinition:
    if isinstance(aspect, ComparisonAspect):
        level, values = Aspect.Level.NOMINAL.value, [1, len(Aspect.COMPARISON_OPTIONS)]
        labels = [getattr(aspect.options, option) for option in Aspect.COMPARISON_OPTIONS]
    elif isinstance(aspect, PickAspect):
        level, values = Aspect.Level.NOMINAL.value, [1, len(Aspect.PICK_OPTIONS)]
        labels = [getattr(aspect.options, option) for option in Aspect.PICK_OPTIONS]
    else:
        level, values, labels = aspect.level, list(aspect.scale), list(aspect.scale.values())
    return AspectDefinition(
        key=aspect.key,
        name=aspect.name,
        kind=aspect.type,
        level=level,
        question=aspect.question,
        question_for_others=aspect.question_for_others or aspect.question,
        minimum=min(values),
        maximum=max(values),
        labels=labels,
    )
