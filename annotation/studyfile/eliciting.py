"""The section `elicitation` of a study file: what does not go together in it, and what it becomes."""

from collections.abc import Iterator
from typing import Any

from annotation.elicitation.conditions import FREE
from annotation.elicitation.questions import DEFAULT_QUESTIONS
from annotation.studyfile.problems import Problem
from annotation.studyfile.schema_elicitation import Elicitation, ElicitationQuestion
from annotation.studyfile.yamltree import YamlTree

_SECTION = "elicitation"
Path = list[str | int]


def elicitation_part(elicitation: Elicitation | None) -> dict[str, Any]:
    """Return what is stored with the study: every default filled in; nothing where all write freely."""
    if elicitation is None or elicitation.condition == FREE:
        return {}
    document = elicitation.model_dump(exclude_none=True)
    return {"questions": [dict(question) for question in DEFAULT_QUESTIONS], **document}


def elicitation_problems(parts: dict[str, Any], tree: YamlTree) -> Iterator[Problem]:
    """Yield what can never come about, and questions that cannot be told apart or answered."""
    elicitation: Elicitation | None = parts.get(_SECTION)
    if elicitation is None:
        return
    if elicitation.condition == FREE:
        for name in ("questions", "propose_after"):
            if getattr(elicitation, name) is not None:
                message = "has no use while condition is free; remove it, or write `condition: elicited` or `both`"
                yield tree.problem([_SECTION, name], message)
    else:
        yield from _design_problems(elicitation, parts, tree)
    yield from _question_problems(elicitation.questions or [], tree)


def _design_problems(elicitation: Elicitation, parts: dict[str, Any], tree: YamlTree) -> Iterator[Problem]:
    design = parts.get("design")
    if design is None:
        return
    written = design.written_personas_per_participant
    if not written:
        message = "helps to write personas, and nobody writes any; set written_personas_per_participant, or remove this"
        yield tree.problem([_SECTION], message)
    elif elicitation.condition == "both" and written < 2:
        message = "is both, and each participant writes one persona: it cannot be halved; raise that, or choose one"
        yield tree.problem([_SECTION, "condition"], message)
    elif elicitation.propose_after and elicitation.propose_after >= written:
        message = (
            f"is {elicitation.propose_after}, and each participant writes {written}: nothing would ever be proposed; "
            "lower it"
        )
        yield tree.problem([_SECTION, "propose_after"], message)


def _question_problems(questions: list[ElicitationQuestion], tree: YamlTree) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, question in enumerate(questions):
        path: Path = [_SECTION, "questions", index]
        if seen.setdefault(question.key, index) != index:
            message = f"{question.key!r} is the key of questions[{seen[question.key]}] too; rename one"
            yield tree.problem([*path, "key"], message)
        yield from _option_problems(question, path, tree)


def _option_problems(question: ElicitationQuestion, path: Path, tree: YamlTree) -> Iterator[Problem]:
    options = question.options
    if question.type == "text" and options:
        yield tree.problem([*path, "options"], "does not belong to a question of type text; write `type: choice`")
    if question.type == "choice" and len(set(options)) < 2:
        message = "a question of type choice needs two or more different options, such as `[short answers, long ones]`"
        yield tree.problem([*path, "options"], message)
    elif len(set(options)) < len(options):
        yield tree.problem([*path, "options"], "holds the same answer twice; change one")
