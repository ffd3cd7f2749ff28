"""Read a study file: every mistake at once, or a complete definition."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from django.utils.translation import override
from pydantic import BaseModel, ValidationError, create_model

from annotation.studyfile import messages
from annotation.studyfile.aspects import aspect_definition
from annotation.studyfile.consistency import consistency_problems
from annotation.studyfile.definition import ItemDefinition, PracticeDefinition, StudyDefinition
from annotation.studyfile.items import IMAGE_FIELDS, ItemFolder, read_items, section_images
from annotation.studyfile.kinds import complete_parts
from annotation.studyfile.languages import SOURCE, declared_languages, language_problems, overlay, tree_in
from annotation.studyfile.options import check_aspects, option_problems, optional_parts, planted_items
from annotation.studyfile.problems import Problem, StudyFileError
from annotation.studyfile.schema import FileSection, StudyFile
from annotation.studyfile.yamltree import YamlTree, load_yaml

# Each top-level key on its own, so that a mistake in one leaves the others to be checked against each other.
_PARTS: dict[str, type[BaseModel]] = {
    name: create_model(f"Part_{name}", __base__=FileSection, **{name: (field.annotation, field)})  # type: ignore[call-overload]
    for name, field in StudyFile.model_fields.items()
}


def read_study_file(path: Path, *, confined: bool = False) -> StudyDefinition:
    """Return the study that `path` defines, with its items read from wherever the file says.

    `confined` is for what somebody has sent: then items come from the file's own folder alone.

    Raises:
        StudyFileError: with every mistake found, if there is any.
    """
    return _read_tree(load_yaml(path, str(path)), ItemFolder(path.parent, confined))


def read_study_data(data: dict[str, Any], folder: Path | None = None) -> StudyDefinition:
    """Return the study that a file with this content would define; its items stand in it, new images in `folder`.

    Raises:
        StudyFileError: with every mistake found, if there is any.
    """
    return _read_tree(YamlTree.of_data(data), ItemFolder(folder, confined=True))


def _read_tree(tree: YamlTree, folder: ItemFolder) -> StudyDefinition:
    languages = declared_languages(tree)
    problems = [*tree.repeated_keys(), *tree.rewritten_numbers(), *language_problems(tree, languages)]
    read = {language: _read_in(language, tree, folder) for language in languages}
    for language, (_, found) in read.items():
        others = [problems_there for other, (_, problems_there) in read.items() if other != language]
        problems += (_named(problem, language, others) for problem in found)
    if problems:
        raise StudyFileError(sorted(dict.fromkeys(problems), key=_reading_order))
    return _with_translations({language: definition for language, (definition, _) in read.items() if definition})


def _named(problem: Problem, language: str, others: list[list[Problem]]) -> Problem:
    """Return the problem, with the language that has it where another has it not."""
    if all(problem in found for found in others):
        return problem
    return replace(problem, message=f"in {language}: {problem.message}")


def _with_translations(definitions: dict[str, StudyDefinition]) -> StudyDefinition:
    """Return the definition in the first language, with what is said otherwise in the others."""
    first, *others = definitions
    if list(definitions) == [SOURCE]:
        return definitions[first]  # as it was before a study could name its language
    translations = {language: overlay(definitions[first], definitions[language]) for language in others}
    return replace(definitions[first], languages=list(definitions), translations=translations)


def _read_in(language: str, file: YamlTree, folder: ItemFolder) -> tuple[StudyDefinition | None, list[Problem]]:
    """Return the definition in one language and what is wrong with it; words of our own are in that language too."""
    tree, problems = tree_in(file, language), list[Problem]()
    with override(language):
        return _read(tree, folder, problems), problems


def _read(tree: YamlTree, folder: ItemFolder, problems: list[Problem]) -> StudyDefinition | None:
    parts = _validate_parts(tree, problems)
    problems += complete_parts(parts, tree)
    is_imported = parts.get("items") == "imported"
    items = None
    if "items" in parts and not is_imported:
        items = read_items(parts["items"], tree, folder, problems)
    images = {name: section_images(name, parts, tree, folder, problems) for name in ("practice", "planted")}
    problems += consistency_problems(parts, items, tree)
    problems += option_problems(parts, items, tree)
    if problems or (items is None and not is_imported):
        return None
    return _definition(parts, items or [], images)


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


def _definition(
    parts: dict[str, Any], items: list[ItemDefinition], images: dict[str, list[dict[str, Any]]]
) -> StudyDefinition:
    arms = parts["arms"]
    texts = ("slug", "title", "kind", "contact", "consent", "instructions", "debrief", "content_warning")
    return StudyDefinition(
        **{name: parts[name] for name in texts},
        **parts["design"].model_dump(),
        **optional_parts(parts),
        aspects=[
            *(
                aspect_definition(aspect, arms=arms if isinstance(arms, int) else len(arms))
                for aspect in parts["aspects"]
            ),
            *check_aspects(parts["checks"]),
        ],
        recruitment=parts["recruitment"].model_dump(exclude_none=True),
        arms=[False] * arms if isinstance(arms, int) else [arm.control for arm in arms],
        practice=[
            PracticeDefinition(**entry.model_dump(exclude=IMAGE_FIELDS), **image)
            for entry, image in zip(parts["practice"], images["practice"], strict=True)
        ],
        items=[*items, *planted_items(parts["planted"], images["planted"])],
        items_imported=parts["items"] == "imported",
        show_responses=parts["show_responses"],
    )
