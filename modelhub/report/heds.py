"""A Human Evaluation Datasheet (HEDS 3.0), filled in as far as the study's file and data know the answers.

Source of the numbering: Belz & Thomson (2025), HEDS 3.0: The Human Evaluation Data Sheet Version 3.0. Questions are
told here in other, shorter words; the sheet itself has the exact ones and explains them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from modelhub.report.facts import StudyFacts
from modelhub.report.heds_answers import sheet_answers
from modelhub.report.heds_questions import CRITERION, HINTS, SECTIONS, Question
from modelhub.results.agreement import AspectAgreement
from modelhub.results.report import Results
from modelhub.results.study import QuestionResult
from modelhub.stats.numbers import decimal, interval, reason

TO_FILL_IN = "to be filled in by the researchers"
NONE_MADE = "Not assessed: the study has no such design."
_SOURCE = "Belz & Thomson (2025), HEDS 3.0: The Human Evaluation Data Sheet Version 3.0, GEM workshop"
_CHECK = "Prefilled from the study's file and data; check every answer."
_STATISTICS = (
    "Mean difference over participants with 95 % interval; sign-flip test over participants, and over prompts with a "
    "crossed t-test where participants share prompts (the largest p counts); probability of superiority within pairs, "
    "matched-pairs rank-biserial correlation; Holm's correction over the declared family."
)
_PERSONA_STATISTICS = (
    "Mean difference over preference pairs with 95 % t-interval and sign-flip test over pairs, crossed with raters "
    "where these are a sample; probability of superiority within pairs, matched-pairs rank-biserial correlation; "
    "Holm's correction over the declared family."
)


def heds_sheet(results: Results, facts: StudyFacts) -> dict[str, Any]:
    """Return the sheet as JSON data. What the system cannot know is None, with a note that says whose it is to fill."""
    known = sheet_answers(results, facts)
    return {
        "sheet": "HEDS 3.0",
        "source": _SOURCE,
        "note": f"Prefilled from the study's data. An answer of null is {TO_FILL_IN}; check the others too.",
        "sections": [
            {"number": number, "title": title, "questions": [_answered(question, known) for question in questions]}
            for number, title, questions in SECTIONS
        ],
        "criteria": [
            {
                "criterion": question.name,
                "questions": [_answered(one, _criterion(question, results, facts)) for one in CRITERION],
            }
            for question in results.study.questions
        ],
    }


def heds_markdown(sheet: Mapping[str, Any]) -> str:
    """Return the sheet as Markdown, what is open marked so that it cannot be missed."""
    parts = [(f"{part['number']} {part['title']}", part["questions"]) for part in sheet["sections"]]
    parts += [(f"4 Criterion: {part['criterion']}", part["questions"]) for part in sheet["criteria"]]
    lines = [f"# {sheet['sheet']}", "", f"Source: {sheet['source']}.", "", _CHECK, "", *_open_ones(parts)]
    for title, questions in sorted(parts, key=lambda part: part[0][0]):
        lines += [f"## {title}", ""]
        for one in questions:
            lines += [f"**{one['number']} {one['question']}.**", "", *_written(one), ""]
    return "\n".join(lines)


def _open_ones(parts: list[tuple[str, Any]]) -> Iterator[str]:
    found = list(dict.fromkeys(one["number"] for _, questions in parts for one in questions if one["answer"] is None))
    yield f"**{len(found)} questions are {TO_FILL_IN}:** {', '.join(sorted(found))}."
    yield ""


def _written(one: Mapping[str, Any]) -> Iterator[str]:
    answer = one["answer"]
    if answer is None:
        yield f"> **\N{BALLOT BOX} {one['note'].replace(TO_FILL_IN, TO_FILL_IN.upper())}**"
    elif isinstance(answer, dict):
        yield from (f"- {name}: {value}" for name, value in answer.items())
    else:
        yield str(answer)


def _answered(question: Question, known: Mapping[str, Any]) -> dict[str, Any]:
    number, text = question
    answer = known.get(number)
    hint = f"{TO_FILL_IN}: {HINTS[number]}" if number in HINTS else TO_FILL_IN
    return {"number": number, "question": text, "answer": answer, "note": "" if answer is not None else hint}


_DEFINITION = "No definition apart from the question, its scale, and the instructions (3.3.4.1)."
_BEFORE_PERSONA = " It was asked before the persona was shown, which fixed its answers."


def _criterion(question: QuestionResult, results: Results, facts: StudyFacts) -> dict[str, Any]:
    is_relative = question.kind in ("comparison", "pick")
    is_persona = facts.kind == "persona_assessment"
    designs = results.primary.agreement.designs
    inter = {name: found for name, found in designs.items() if name != "repeat"}
    intra = {"repeat": designs["repeat"]} if "repeat" in designs else {}
    return {
        "4.2.1": "Subjective",
        "4.2.2": "Relative" if is_relative or not is_persona else "Absolute",
        "4.2.3": "Intrinsic",
        "4.3.1": question.name,
        "4.3.2": _DEFINITION + (_BEFORE_PERSONA if question.before_persona else ""),
        "4.3.3": question.maximum - question.minimum + 1,
        "4.3.4": "; ".join(f"{value} = {text}" for value, text in question.points),
        "4.3.5": "Slider" if question.level == "interval" else "Multiple choice: one labelled button per value",
        "4.3.6": "N/A: there is a rating instrument",
        "4.3.7": f"{question.question} (of others than the persona's author: {question.question_for_others})",
        "4.3.8": "Relative quality estimation" if is_relative else "Direct quality estimation",
        "4.3.9": "Means over raters by persona" if is_persona else "Means over pairs by participant, then over people",
        "4.3.10": _PERSONA_STATISTICS if is_persona else _STATISTICS,
        "4.3.11.1": _method(inter, question.key),
        "4.3.11.2": "; ".join(_scores(inter, question.key)) or NONE_MADE,
        "4.3.12.1": _method(intra, question.key),
        "4.3.12.2": "; ".join(_scores(intra, question.key)) or NONE_MADE,
    }


def _method(designs: Mapping[str, dict[str, AspectAgreement]], key: str) -> str:
    reports = [found[key].pooled for found in designs.values() if key in found]
    if not reports:
        return NONE_MADE
    return f"Krippendorff's alpha ({reports[0].level}), interval over items, raters fixed"


def _scores(designs: Mapping[str, dict[str, AspectAgreement]], key: str) -> Iterator[str]:
    for name, found in designs.items():
        if key not in found:
            continue
        report = found[key].pooled
        if report.krippendorff_alpha is None:
            yield f"{name}: undefined ({reason(report.reasons['krippendorff_alpha'])})"
        else:
            ci = f" {interval(report.alpha_ci)}" if report.alpha_ci else ""
            yield f"{name}: {decimal(report.krippendorff_alpha)}{ci}"
