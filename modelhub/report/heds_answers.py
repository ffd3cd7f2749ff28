"""The answers to the datasheet's questions on the study as a whole, as far as its file and its data know them."""

import re
from typing import Any

from modelhub.report.facts import StudyFacts
from modelhub.results.report import Results
from modelhub.stats.numbers import counted, decimal, joined

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def sheet_answers(results: Results, facts: StudyFacts) -> dict[str, Any]:
    """Return answers by the number of their question; what is not here, only the researchers know."""
    answers = {**_reference(facts), **_systems(results, facts), **_sample(results, facts), **_raters(results, facts),
               **_design(results, facts), **_ethics(facts)}  # fmt: skip
    return {number: answer for number, answer in answers.items() if answer not in (None, "")}


def is_assessment(facts: StudyFacts) -> bool:
    """Return whether personas were assessed, not responses."""
    return facts.kind == "persona_assessment"


def _reference(facts: StudyFacts) -> dict[str, Any]:
    email = _EMAIL.search(facts.contact)
    return {
        "1.1.2": f"Study {facts.slug!r}, version {facts.version}: {facts.title}",
        "1.2": "In the folder of this sheet: results.json, tables/, figures/, long.csv (one row per rating) and the "
        "methods. Add where it is published.",
        "1.3.2.1": f"As the study file names the contact: {facts.contact}" if facts.contact else None,
        "1.3.2.3": email[0] if email else None,
    }


def _systems(results: Results, facts: StudyFacts) -> dict[str, Any]:
    if is_assessment(facts):
        return {
            "2.1": "Text: a prompt with a chosen and a rejected response",
            "2.2": "Text: a persona in one sentence",
            "2.3": "Persona inference: to say in one sentence for which user a response would be the better one",
        }
    engines = sorted({system.engine for system in results.study.systems if system.engine})
    made = f" Engines that made the outputs: {joined(engines)}." if engines else ""
    return {
        "2.1": "Text: a prompt, and for arms that take one a persona in one sentence",
        "2.2": "Text",
        "2.3": f"Personalized response generation: a response to a prompt that fits the person described.{made}",
    }


def _sample(results: Results, facts: StudyFacts) -> dict[str, Any]:
    pooled = results.primary.strata.get("")
    strata = {name: count for name, count in facts.strata.items() if name}
    by_set = f", by data set: {joined([f'{count} of {name}' for name, count in strata.items()])}" if strata else ""
    source = "imported from outside the study file" if facts.imported else "named in the study file"
    return {
        "3.1.1": {name: found.n for name, found in pooled.words.items()} if pooled else None,
        "3.1.2": f"{counted(facts.prompts, 'prompt')} {source}{by_set}. Which participant meets which is drawn "
        "from seed "
        f"{facts.seed}{_balance(facts)}. Add how the prompts themselves were chosen.",
    }


def _balance(facts: StudyFacts) -> str:
    return {"stratum": ", balanced over data sets", "condition": ", balanced over conditions of personas"}.get(
        facts.blocks, ""
    )


def _raters(results: Results, facts: StudyFacts) -> dict[str, Any]:
    sides = [("before", facts.asked_before), ("after", facts.asked_after)]
    asked = [f"{name} the work: {'; '.join(questions)}" for name, questions in sides if questions]
    prolific = "Recruited through Prolific, where participants are paid. Add the amount, and how it was reckoned."
    quota = f"; {facts.quota} people were wanted" if facts.quota else ""
    return {
        "3.2.1": results.primary.participants,
        "3.2.2.2": prolific if facts.is_on_prolific else None,
        "3.2.3": f"Through the crowdsourcing platform Prolific{quota}" if facts.is_on_prolific else None,
        "3.2.4": _training(facts),
        "3.2.5": f"Asked in questionnaires, {', and '.join(asked)}. Add what they answered." if asked else None,
    }


def _training(facts: StudyFacts) -> str:
    parts = ["Written instructions (3.3.4.1)"]
    parts += [f"{counted(facts.practice_parts, 'practice part')} that do not count"] if facts.practice_parts else []
    if facts.quiz_questions:
        tries = counted(facts.quiz_attempts, "try", "tries")
        parts.append(f"a quiz of {counted(facts.quiz_questions, 'question')} that has to be passed within {tries}")
    return ", ".join(parts)


def _design(results: Results, facts: StudyFacts) -> dict[str, Any]:
    version = results.footer.versions.get("personaeval", "")
    return {
        "3.3.1": _registered(facts),
        "3.3.2": f"A web application, personaeval {version}".strip(),
        "3.3.3.1": joined(_controls(facts)) or "None of the automatic ones",
        "3.3.3.2": _controls_in_detail(results, facts),
        "3.3.4.1": f"{_interface(facts)} The instructions, verbatim:\n\n{_quoted(facts.instructions)}",
        "3.3.4.2": "The study file reproduces every page; questions and scales are in tables/questions.csv. Add where "
        "pictures of the pages can be seen.",
        "3.3.5": f"Yes: a browser, any place and time; each part within {facts.hours_per_part} hours",
        "3.3.6": f"Before and during, in writing: {facts.contact}" if facts.contact else None,
        "3.3.7": "Blinding: no page names a system. Order of prompts and sides of responses are drawn for each "
        f"participant from seed {facts.seed}, sides counterbalanced within items. Place, device and time of day are "
        "not controlled.",
        "3.3.8": _differences(facts),
    }


def _registered(facts: StudyFacts) -> str | None:
    """Return what was fixed before the data, which is no registration by itself."""
    if facts.is_draft:
        return None
    when = f" at {facts.opened_at}" if facts.opened_at else ""
    return (
        f"Frozen when the study opened{when}: SHA-256 of the protocol {facts.protocol_hash}. `manage.py "
        "preregistration` "
        "writes its text. Add the address of the registration if there is one."
    )


def _controls(facts: StudyFacts) -> list[str]:
    parts = ["a quiz on the instructions"] if facts.quiz_questions else []
    parts += [counted(facts.attention_checks, "attention check")] if facts.attention_checks else []
    parts += [counted(facts.planted, "planted pair") + " of a good and a bad response"] if facts.planted else []
    parts += ["rules that flag participants"] if facts.rules else []
    parts += ["the same person rating parts twice"] if facts.repeat else []
    return parts


def _controls_in_detail(results: Results, facts: StudyFacts) -> str:
    rules = f"Rules fixed before the study opened: {'; '.join(facts.rules)}." if facts.rules else "No rules for flags."
    excluded = sum(row.n for row in results.flow.excluded)
    people = f" {counted(excluded, 'participant was', 'participants were')} excluded." if excluded else ""
    seconds = [row.median_seconds for row in results.primary.checks.participants if row.median_seconds is not None]
    middle = sorted(seconds)[len(seconds) // 2] if seconds else None
    pace = f" The median participant took {decimal(middle, digits=0)} seconds per part." if middle else ""
    return f"{rules} Flags exclude nobody by themselves.{people}{pace}"


def _interface(facts: StudyFacts) -> str:
    if is_assessment(facts):
        shown = "the prompt, a persona and both responses" if facts.show_responses else "the prompt and a persona"
        return f"One page per part: {shown}, and under them each question with one labelled button per value."
    return (
        f"One page per part: the prompt, the persona, and {facts.arms} responses side by side (below each other on "
        "narrow screens), under each the questions with one labelled button per value."
    )


def _differences(facts: StudyFacts) -> str:
    parts = []
    if facts.written:
        parts.append(
            f"for {counted(facts.written, 'prompt')} participants write a persona of their own and rate for it"
        )
    if facts.given:
        parts.append(f"for {counted(facts.given, 'prompt')} they rate for a person described")
    if facts.overlap:
        parts.append(f"a second person rates {100 * facts.overlap:g} % of the personas that others wrote")
    if facts.repeat:
        parts.append(f"everybody rates {100 * facts.repeat:g} % of their own parts twice")
    if facts.elicitation == "both":
        parts.append("half of the personas are written with the help of questions")
    parts.append(f"each prompt is given to {counted(facts.raters_per_item, 'person', 'people')}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}. Otherwise as 3.3.7."


def _ethics(facts: StudyFacts) -> dict[str, Any]:
    written = (
        "Personas are sentences that participants write about themselves, and may hold personal data; they are "
        "screened "
        "for what identifies people. "
        if facts.written
        else ""
    )
    return {
        "5.2": f"{written}Participants are known by number alone; what they gave can be erased at their request. The "
        f"consent that they read, verbatim:\n\n{_quoted(facts.consent)}",
    }


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())
