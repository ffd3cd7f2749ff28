"""The optional sections of a study file: what does not go together in them, and what they become."""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from annotation.models import Aspect
from annotation.studyfile.analysis import analysis_problems
from annotation.studyfile.definition import AspectDefinition, ItemDefinition
from annotation.studyfile.eliciting import elicitation_part, elicitation_problems
from annotation.studyfile.problems import Problem
from annotation.studyfile.schema_aspects import SLIDER
from annotation.studyfile.schema_options import (
    Check,
    FollowupOptions,
    PlantedPair,
    Questionnaires,
    Quiz,
    SurveyQuestion,
)
from annotation.studyfile.yamltree import YamlTree

# Check aspects are named like any other question: these words stand in the page's source.
_CHECK_KEY = "question-{part}"


def optional_parts(parts: dict[str, Any]) -> dict[str, Any]:
    """Return the sections that are stored with the study as JSON; those that say nothing are empty."""
    quiz, followup = parts["quiz"], parts["followup"]
    pages = parts["questionnaires"].model_dump()
    return {
        "quiz": quiz.model_dump() if quiz else {},
        "questionnaires": {page: questions for page, questions in pages.items() if questions},
        "followup": _followup(followup) if followup else {},
        "skip_reasons": parts["skip_reasons"],
        "exclusion_rules": {rule: value for rule, value in parts["exclusion_rules"].model_dump().items() if value},
        "analysis": parts["analysis"].model_dump(exclude_defaults=True),
        "screening": parts["screening"].model_dump(exclude_defaults=True),
        "elicitation": elicitation_part(parts["elicitation"]),
        "retention": parts["retention"].model_dump(exclude_none=True),
        "formats": parts["formats"].model_dump(exclude_defaults=True),
    }


def _followup(followup: FollowupOptions) -> dict[str, Any]:
    """Return the section; what came later is left out where it says nothing, so that older studies keep their hash."""
    return followup.model_dump(exclude=set() if followup.required else {"required"})


def check_aspects(checks: list[Check]) -> list[AspectDefinition]:
    """Return the aspects that attention checks become."""
    return [
        AspectDefinition(
            key=_CHECK_KEY.format(part=check.part),
            name=_("One more question"),
            kind=Aspect.Kind.CHECK.value,
            level=Aspect.Level.NOMINAL.value,
            question=check.instruction,
            question_for_others=check.instruction,
            minimum=min(check.scale),
            maximum=max(check.scale),
            labels=list(check.scale.values()),
            expected=check.answer,
            part=check.part,
            is_loud=check.loud,
        )
        for check in checks
    ]


def planted_items(planted: list[PlantedPair], images: list[dict[str, Any]]) -> list[ItemDefinition]:
    """Return the items that planted pairs become, each with its image, if it has one."""
    return [
        ItemDefinition(
            key=pair.id,
            prompt=pair.prompt,
            persona=pair.persona,
            planted_part=pair.part,
            planted_aspect=pair.aspect,
            good=pair.good,
            bad=pair.bad,
            **image,
        )
        for pair, image in zip(planted, images, strict=True)
    ]


def option_problems(parts: dict[str, Any], items: list[ItemDefinition] | None, tree: YamlTree) -> Iterator[Problem]:
    """Yield what does not go together in the optional sections; `parts` lacks what is wrong in itself."""
    if parts.get("quiz"):
        yield from _quiz_problems(parts["quiz"], tree)
    yield from _check_problems(parts, tree)
    yield from _planted_problems(parts, items, tree)
    if "questionnaires" in parts:
        yield from _questionnaire_problems(parts["questionnaires"], tree)
    if parts.get("followup") and not (parts["followup"].chips or parts["followup"].text):
        yield tree.problem(["followup"], "asks nothing; write `chips`, `text` or both")
    if parts.get("followup") and parts["followup"].required and not parts["followup"].text:
        message = "is about the answer in own words, and none is asked for; write `text`, or remove this"
        yield tree.problem(["followup", "required"], message)
    for name in ("skip_reasons", "followup"):
        yield from _repeated_lines(name, parts, tree)
    yield from _rule_problems(parts, tree)
    if "analysis" in parts:
        yield from analysis_problems(parts, tree)
    yield from elicitation_problems(parts, tree)


def _quiz_problems(quiz: Quiz, tree: YamlTree) -> Iterator[Problem]:
    for index, question in enumerate(quiz.questions):
        path: list[str | int] = ["quiz", "questions", index]
        if question.answer > len(question.options):
            message = f"is {question.answer}, and there are {len(question.options)} options; number them from 1"
            yield tree.problem([*path, "answer"], message)
        if len(set(question.options)) < len(question.options):
            yield tree.problem([*path, "options"], "holds the same option twice; change one")


def _check_problems(parts: dict[str, Any], tree: YamlTree) -> Iterator[Problem]:
    taken = {aspect.key for aspect in parts.get("aspects", [])}
    seen: dict[int, int] = {}
    for index, check in enumerate(parts.get("checks", [])):
        if check.answer not in check.scale:
            message = f"is {check.answer}, which the scale does not have; use one of {', '.join(map(str, check.scale))}"
            yield tree.problem(["checks", index, "answer"], message)
        if seen.setdefault(check.part, index) != index:
            message = f"is the part of checks[{seen[check.part]}] too; a part holds one check"
            yield tree.problem(["checks", index, "part"], message)
        if _CHECK_KEY.format(part=check.part) in taken:
            message = f"needs the key {_CHECK_KEY.format(part=check.part)!r}, which an aspect has; rename that aspect"
            yield tree.problem(["checks", index], message)


def _planted_problems(parts: dict[str, Any], items: list[ItemDefinition] | None, tree: YamlTree) -> Iterator[Problem]:
    planted = parts.get("planted", [])
    arms = parts.get("arms", 2)
    if planted and (arms if isinstance(arms, int) else len(arms)) != 2:
        yield tree.problem(["planted"], "a planted pair needs a study with exactly two arms; remove one or the other")
    scales = [aspect for aspect in parts.get("aspects", []) if aspect.type in (Aspect.Kind.RATING, SLIDER)]
    rated = [aspect.key for aspect in scales if not aspect.only_if]
    keys = {item.key for item in items or []}
    seen: dict[int, int] = {}
    for index, pair in enumerate(planted):
        if "aspects" in parts and pair.aspect not in rated:
            message = f"{pair.aspect!r} is no rating of this study; use one of {', '.join(rated)}"
            yield tree.problem(["planted", index, "aspect"], message)
        if pair.id in keys:
            yield tree.problem(["planted", index, "id"], f"{pair.id!r} is the id of another item; ids must differ")
        keys.add(pair.id)
        if seen.setdefault(pair.part, index) != index:
            message = f"is the part of planted[{seen[pair.part]}] too; a part is one pair"
            yield tree.problem(["planted", index, "part"], message)


def _questionnaire_problems(pages: Questionnaires, tree: YamlTree) -> Iterator[Problem]:
    listed: list[tuple[str, list[SurveyQuestion]]] = [("before", pages.before), ("after", pages.after)]
    for page, questions in listed:
        keys: set[str] = set()
        for index, question in enumerate(questions):
            path: list[str | int] = ["questionnaires", page, index]
            if question.key in keys:
                yield tree.problem([*path, "key"], f"{question.key!r} is the key of another question here; rename one")
            keys.add(question.key)
            yield from _answer_problems(question, path, tree)


def _answer_problems(question: SurveyQuestion, path: list[str | int], tree: YamlTree) -> Iterator[Problem]:
    needed = {"choice": "options", "scale": "labels"}.get(question.type)
    for name in ("options", "labels"):
        answers = getattr(question, name)
        if name == needed and len(set(answers)) < 2:
            message = (
                f"a question of type {question.type} needs two or more different {name}; write `{name}: [No, Yes]`"
            )
            yield tree.problem([*path, name], message + " (in quotes)")
        if name == needed and len(set(answers)) < len(answers) and len(set(answers)) > 1:
            yield tree.problem([*path, name], "holds the same answer twice; change one")
        if name != needed and answers:
            yield tree.problem([*path, name], f"does not belong to a question of type {question.type}; remove it")


def _repeated_lines(name: str, parts: dict[str, Any], tree: YamlTree) -> Iterator[Problem]:
    section = parts.get(name)
    lines = section.chips if name == "followup" and section else section if name == "skip_reasons" else []
    if lines and len(set(lines)) < len(lines):
        yield tree.problem([name, "chips"] if name == "followup" else [name], "holds the same words twice; change one")


def _rule_problems(parts: dict[str, Any], tree: YamlTree) -> Iterator[Problem]:
    rules = parts.get("exclusion_rules")
    needs = {"failed_checks": "checks", "failed_planted": "planted", "failed_quiz": "quiz"}
    for rule, section in needs.items():
        if rules and getattr(rules, rule) and section in parts and not parts[section]:
            message = f"can never apply: the study has no `{section}`; add them or remove the rule"
            yield tree.problem(["exclusion_rules", rule], message)
