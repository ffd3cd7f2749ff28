"""A Human Evaluation Datasheet (HEDS 3.0), filled in as far as the system knows the answers.

Source of the numbering: Belz & Thomson (2025), HEDS 3.0: The Human Evaluation Data Sheet Version 3.0. Questions are
told here in other, shorter words; the sheet itself has the exact ones and explains them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelhub.report.heds_questions import CRITERION, SECTIONS, Question
from modelhub.report.sections.names import why
from modelhub.stats.numbers import decimal, interval, reason

TO_FILL_IN = "to be filled in by the researchers"
NONE_MADE = "Not assessed: the study has no such design."
_SOURCE = "Belz & Thomson (2025), HEDS 3.0: The Human Evaluation Data Sheet Version 3.0, GEM workshop"
_STATISTICS = (
    "Mean difference over participants with 95 % t-interval; exact sign-flip test over participants, and over prompts "
    "with a crossed quasi-t where participants share prompts (the largest p counts); within-pair probability of "
    "superiority, matched-pairs rank-biserial correlation; Holm's correction over the declared family."
)
_PERSONA_STATISTICS = (
    "Mean difference over preference pairs with 95 % t-interval and exact sign-flip test over pairs, raters fixed; "
    "within-pair probability of superiority, matched-pairs rank-biserial correlation; Holm's correction over the "
    "declared family."
)


@dataclass(frozen=True)
class StudyFacts:
    """What the sheet needs of a study beyond its results."""

    practice_parts: int
    has_quiz: bool
    platform: str
    contact: str
    rules: tuple[str, ...]
    opened_at: str
    hours_per_part: int


def heds_sheet(results: Mapping[str, Any], facts: StudyFacts) -> dict[str, Any]:
    """Return the sheet as JSON data. What the system cannot know is None, with a note that says whose it is to fill."""
    known = _known(results, facts)
    criteria = results["study"]["questions"]
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
                "criterion": question["name"],
                "questions": [_answered(one, _criterion(question, results)) for one in CRITERION],
            }
            for question in criteria
        ],
    }


def _answered(question: Question, known: Mapping[str, Any]) -> dict[str, Any]:
    number, text = question
    answer = known.get(number)
    return {"number": number, "question": text, "answer": answer, "note": "" if answer is not None else TO_FILL_IN}


def _known(results: Mapping[str, Any], facts: StudyFacts) -> dict[str, Any]:
    study, body = results["study"], results["analysis"]["all"]
    footer = results["footer"]
    rated = body["strata"].get("", {}).get("words", {})
    return {
        "1.1.2": f"Study {study['slug']!r}, version {study['version']}: {study['title']}",
        "2.1": "Text: a prompt, and for arms that take one a persona",
        "2.2": "Text" if study["kind"] == "output_rating" else "Text: a persona in one sentence",
        "3.1.1": {name: found["n"] for name, found in rated.items()},
        "3.2.1": body["participants"],
        "3.2.3": facts.platform or None,
        "3.2.4": _training(facts),
        "3.3.2": f"A web application, personaeval {footer['versions'].get('personaeval', '')}".strip(),
        "3.3.3.1": "Automatic checks during the study" if facts.rules else "None of the automatic ones",
        "3.3.3.2": "; ".join(facts.rules) or "No rules in the study file",
        "3.3.5": f"Yes: a browser, any place and time; each part within {facts.hours_per_part} hours",
        "3.3.6": f"Before and during, in writing: {facts.contact}" if facts.contact else None,
        "3.3.1": _registered(study, facts),
    }


def _registered(study: Mapping[str, Any], facts: StudyFacts) -> str | None:
    """Return what was fixed before the data, which is no registration by itself."""
    if not study["protocol_hash"]:
        return None
    when = f" at {facts.opened_at}" if facts.opened_at else ""
    return (
        f"Frozen when the study opened{when}: SHA-256 of the protocol {study['protocol_hash']}. Add the address of the "
        "registration if there is one."
    )


def _training(facts: StudyFacts) -> str:
    parts = ["Written instructions"]
    parts += [f"{facts.practice_parts} practice parts that do not count"] if facts.practice_parts else []
    parts += ["a quiz that has to be passed"] if facts.has_quiz else []
    return ", ".join(parts)


def _criterion(question: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, Any]:
    is_relative = question["kind"] in ("comparison", "pick")
    is_persona = results["study"]["kind"] == "persona_assessment"
    designs = results["analysis"]["all"]["agreement"]["designs"]
    inter = {name: found for name, found in designs.items() if name != "repeat"}
    return {
        "4.2.1": "Subjective",
        "4.2.2": "Relative" if is_relative or not is_persona else "Absolute",
        "4.2.3": "Intrinsic",
        "4.3.1": question["name"],
        "4.3.3": len(question["labels"]),
        "4.3.4": "; ".join(f"{value} = {text}" for value, text in enumerate(question["labels"], question["minimum"])),
        "4.3.5": "Multiple choice: one labelled button per value",
        "4.3.6": "N/A: there is a rating instrument",
        "4.3.7": f"{question['question']} (of others than the persona's author: {question['question_for_others']})",
        "4.3.8": "Relative quality estimation" if is_relative else "Direct quality estimation",
        "4.3.9": "Means over raters by persona" if is_persona else "Means over pairs by participant, then over people",
        "4.3.10": _PERSONA_STATISTICS if is_persona else _STATISTICS,
        "4.3.11.1": _method(inter, question["key"]),
        "4.3.11.2": "; ".join(_scores(inter, question["key"])) or NONE_MADE,
        "4.3.12.1": _method({"repeat": designs["repeat"]} if "repeat" in designs else {}, question["key"]),
        "4.3.12.2": "; ".join(_scores({"repeat": designs.get("repeat", {})}, question["key"])) or NONE_MADE,
    }


def _method(designs: Mapping[str, Any], key: str) -> str:
    reports = [found[key]["pooled"] for found in designs.values() if key in found]
    if not reports:
        return NONE_MADE
    return f"Krippendorff's alpha ({reports[0]['level']}), bootstrap interval over items, raters fixed"


def _scores(designs: Mapping[str, Any], key: str) -> Iterator[str]:
    for name, found in designs.items():
        if key not in found:
            continue
        report = found[key]["pooled"]
        alpha, ci = report["krippendorff_alpha"], report["alpha_ci"]
        if alpha is None:
            yield f"{name}: undefined ({reason(why(report, 'krippendorff_alpha'))})"
        else:
            yield f"{name}: {decimal(alpha)}" + (f" {interval(ci)}" if ci else "")
