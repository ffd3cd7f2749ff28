"""The languages of a study file: which it names, and the file as it reads in one of them.

A text of a file with several languages may be a mapping of language to text; a plain one stands for all of them.
"""

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from annotation.study_texts import ASPECT_TEXTS, STUDY_TEXTS
from annotation.studyfile.definition import StudyDefinition
from annotation.studyfile.problems import Problem
from annotation.studyfile.yamltree import YamlTree

KNOWN = tuple(code for code, _ in settings.LANGUAGES)
SOURCE = settings.LANGUAGE_CODE
Path = tuple[str | int, ...]
Shape = tuple[str, ...]  # a path in which every place of a list is the same
_LISTED, _KEY = "*", "+"

# Where participants read what stands there: `*` is any place in a list, `+` any key of a mapping.
_SCALES = ("scale/+", "scale/*/label")
_TEXTS = frozenset(
    tuple(text.split("/"))
    for text in (
        *("title", "contact", "consent", "instructions", "debrief", "content_warning", "skip_reasons/*"),
        *("aspects/*/name", "aspects/*/question", "aspects/*/question_for_others", "aspects/*/options/+"),
        *("aspects/*/ends/+", "aspects/*/labels/+"),
        *(f"{section}/*/{scale}" for section in ("aspects", "checks") for scale in _SCALES),
        *("checks/*/instruction", "followup/text", "followup/chips/*", "items/warning", "items/*/warning"),
        *("practice/*/prompt", "practice/*/image_alt", "practice/*/persona", "practice/*/responses/*"),
        *("quiz/questions/*/question", "quiz/questions/*/options/*", "quiz/questions/*/explanation"),
        *("questionnaires/+/*/question", "questionnaires/+/*/options/*", "questionnaires/+/*/labels/*"),
    )
)
_DEEPEST = max(map(len, _TEXTS))  # no text stands deeper; an alias of YAML may lead round in a circle


def declared_languages(tree: YamlTree) -> list[str]:
    """Return the languages that a file names, English where it names none or none that are right."""
    named = tree.data.get("languages", [tree.data.get("language", SOURCE)])
    listed = named if isinstance(named, list) else []
    return list(dict.fromkeys(code for code in listed if code in KNOWN)) or [SOURCE]


def language_problems(tree: YamlTree, languages: list[str]) -> Iterator[Problem]:
    """Yield what is wrong with the languages, with the texts in them, and what only English can do."""
    if "language" in tree.data and "languages" in tree.data:
        yield tree.problem(["language"], "stands beside `languages`; keep one of the two")
    named = tree.data.get("languages")
    for index, code in enumerate(named if isinstance(named, list) else []):
        if code in named[:index]:
            yield tree.problem(["languages", index], f"names {code} twice; remove one")
    for path, texts in _mappings(tree.data, (), ()):
        yield from _mapping_problems(path, texts, tree, languages)
    help_section = tree.data.get("elicitation")
    if isinstance(help_section, dict) and help_section.get("condition") != "free" and languages != [SOURCE]:
        message = (
            f"puts English sentences together, and the study is in {', '.join(languages)}; remove this section, or "
            "write `condition: free`"
        )
        yield tree.problem(["elicitation"], message)


def _mapping_problems(path: Path, texts: dict[Any, Any], tree: YamlTree, languages: list[str]) -> Iterator[Problem]:
    if len(languages) < 2:
        message = "holds a text for each of several languages, and the file names one; write `languages: [de, en]`"
        yield tree.problem(path, message)
        return
    for code in texts:
        if code not in languages:
            message = f"{code!r} is none of the study's languages, {', '.join(languages)}; remove it, or add it there"
            yield tree.problem([*path, str(code)], message)
    if missing := [code for code in languages if code not in texts]:
        message = f"has no text in {', '.join(missing)}; write one in each language, or a single text for all"
        yield tree.problem(path, message)


def tree_in(tree: YamlTree, language: str) -> YamlTree:
    """Return the file as it reads in one language: every mapping of texts is replaced by its text."""
    return YamlTree(tree.root, _in_language(tree.data, (), language), tree.file)


def _in_language(value: Any, shape: Shape, language: str) -> Any:
    if _is_mapping_of_texts(value, shape):
        # What a language lacks is a mistake of its own; another text keeps it from being two.
        return value.get(language, next(iter(value.values()), None))
    if isinstance(value, dict) and len(shape) < _DEEPEST:
        return {key: _in_language(entry, (*shape, str(key)), language) for key, entry in value.items()}
    if isinstance(value, list) and len(shape) < _DEEPEST:
        return [_in_language(entry, (*shape, _LISTED), language) for entry in value]
    return value


def _mappings(value: Any, path: Path, shape: Shape) -> Iterator[tuple[Path, dict[Any, Any]]]:
    if _is_mapping_of_texts(value, shape):
        yield path, value
    elif isinstance(value, dict) and len(shape) < _DEEPEST:
        for key, entry in value.items():
            yield from _mappings(entry, (*path, key), (*shape, str(key)))
    elif isinstance(value, list) and len(shape) < _DEEPEST:
        for index, entry in enumerate(value):
            yield from _mappings(entry, (*path, index), (*shape, _LISTED))


def _is_mapping_of_texts(value: Any, shape: Shape) -> bool:
    return isinstance(value, dict) and any(_matches(shape, text) for text in _TEXTS if len(text) == len(shape))


def _matches(shape: Shape, text: Shape) -> bool:
    return all(step == part or (part == _KEY and step != _LISTED) for step, part in zip(shape, text, strict=True))


def is_text(path: Path) -> bool:
    """Whether participants read what stands there, so that it may be said in each language."""
    shape = tuple(_LISTED if isinstance(step, int) or step.isdigit() else step for step in path)
    return any(_matches(shape, text) for text in _TEXTS if len(text) == len(shape))


def limited_to(data: dict[str, Any], languages: list[str]) -> dict[str, Any]:
    """Return a file's data without texts in other languages; a text in one language alone is a plain one."""
    limited: dict[str, Any] = _limited(data, (), languages)
    return limited


def _limited(value: Any, shape: Shape, languages: list[str]) -> Any:
    if _is_mapping_of_texts(value, shape):
        texts = {code: value[code] for code in languages if code in value} or value
        return texts if len(texts) > 1 and len(languages) > 1 else next(iter(texts.values()), "")
    if isinstance(value, dict) and len(shape) < _DEEPEST:
        return {key: _limited(entry, (*shape, str(key)), languages) for key, entry in value.items()}
    if isinstance(value, list) and len(shape) < _DEEPEST:
        return [_limited(entry, (*shape, _LISTED), languages) for entry in value]
    return value


def in_language(definition: StudyDefinition, language: str) -> StudyDefinition:
    """Return the definition with its texts in one of its languages: what `overlay` was taken from."""
    texts = definition.translations.get(language, {})
    aspects, warnings = texts.get("aspects", {}), texts.get("warnings", {})
    document = {**definition.document(), **{name: texts[name] for name in STUDY_TEXTS if name in texts}}
    document["aspects"] = [{**aspect, **aspects.get(aspect["key"], {})} for aspect in document["aspects"]]
    document["items"] = [{**item, "warning": warnings.get(item["key"], item["warning"])} for item in document["items"]]
    return StudyDefinition.of_document(document)


def overlay(first: StudyDefinition, other: StudyDefinition) -> dict[str, Any]:
    """Return the texts of a definition that are others than in the first language."""
    ours, theirs = first.document(), other.document()
    texts = {name: theirs[name] for name in STUDY_TEXTS if theirs[name] != ours[name]}
    pairs = list(zip(ours["aspects"], theirs["aspects"], strict=True))
    aspects = {mine["key"]: {name: one[name] for name in ASPECT_TEXTS} for mine, one in pairs if mine != one}
    items = zip(ours["items"], theirs["items"], strict=True)
    warnings = {mine["key"]: one["warning"] for mine, one in items if mine["warning"] != one["warning"]}
    return {**texts, **({"aspects": aspects} if aspects else {}), **({"warnings": warnings} if warnings else {})}
