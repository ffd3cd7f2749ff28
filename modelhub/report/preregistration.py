"""The text of a preregistration, in the fields of OSF's form, from a study's definition alone: no answer is read.

It names arms by number and knows no systems, so whoever is blinded may read and write it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from annotation.models import Aspect, Study
from modelhub.report.facts import StudyFacts, study_facts
from modelhub.stats.numbers import counted, joined

TO_FILL_IN = "**TO BE FILLED IN:**"
_RATED = (Aspect.Kind.RATING, Aspect.Kind.COMPARISON, Aspect.Kind.PERSONA)


@dataclass(frozen=True)
class Plan:
    """What the fields are made from: facts, the questions that are compared, arms by number, the declared analysis."""

    facts: StudyFacts
    questions: tuple[Aspect, ...]
    controls: tuple[int, ...]
    analysis: dict[str, Any]
    answers: int

    @property
    def is_assessment(self) -> bool:
        """Whether personas are assessed, not responses."""
        return self.facts.kind == Study.Kind.PERSONA_ASSESSMENT

    @property
    def family(self) -> list[str]:
        """The names of the confirmatory questions."""
        keys = self.analysis.get("family", [])
        return [aspect.name for aspect in self.questions if aspect.key in keys]

    @property
    def contrasts(self) -> list[str]:
        """The comparisons of arms, in words."""
        if self.is_assessment:
            return ["personas inferred from chosen responses with personas inferred from rejected ones"]
        declared = self.analysis.get("comparisons")
        if declared:
            return [f"arm {test} with arm {base} (base)" for base, test in declared]
        if self.facts.arms > 2:
            return ["every pair of arms"]
        base = self.analysis.get("base") or (self.controls[0] if self.controls else 0)
        if not base:
            return ["the two arms; the base is the first system by name"]
        return [f"arm {3 - base} with arm {base} (base)"]


def plan_of(study: Study, *, answers: int) -> Plan:
    """Return the plan of a study; `answers` is how many had been given when the text was written."""
    return Plan(
        facts=study_facts(study),
        questions=tuple(study.aspects.filter(kind__in=_RATED).order_by("ordinal")),
        controls=tuple(study.arms.filter(is_control=True).values_list("ordinal", flat=True)),
        analysis=study.analysis,
        answers=answers,
    )


def preregistration_markdown(plan: Plan) -> str:
    """Return the preregistration as Markdown, what only the researchers know marked so that it cannot be missed."""
    lines = [f"# Preregistration: {plan.facts.title}", "", *_standing(plan.facts, plan.answers), ""]
    for title, fields in (
        ("Study information", _information(plan)),
        ("Design plan", _design(plan)),
        ("Sampling plan", _sampling(plan)),
        ("Variables", _variables(plan)),
        ("Analysis plan", _analysis(plan)),
        ("Other", _other(plan.facts)),
    ):
        lines += [f"## {title}", ""]
        for name, text in fields:
            lines += [f"### {name}", "", text, ""]
    return "\n".join(lines).rstrip() + "\n"


def _standing(facts: StudyFacts, answers: int) -> Iterator[str]:
    if facts.is_draft:
        yield (
            "> **DRAFT: the study is not open, and everything below can still change.** Write this text anew once "
            "it is "
            "open, and register that one: only then does it carry the hash of a frozen protocol."
        )
        return
    yield f"Protocol frozen at {facts.opened_at}, SHA-256 `{facts.protocol_hash}`."
    given = "No answer had been given" if not answers else f"**{counted(answers, 'answer')} had been given**"
    yield f"{given} when this text was written."


def _information(plan: Plan) -> Iterator[tuple[str, str]]:
    facts = plan.facts
    yield "Title", f"{facts.title} ({facts.slug}, version {facts.version})"
    yield "Contact", facts.contact or f"{TO_FILL_IN} whom to write to."
    what = "assess personas" if plan.is_assessment else "rate responses to prompts"
    yield "Description", f"People {what} in a web application, blinded. Compared are {joined(plan.contrasts)}."
    if plan.family:
        hypotheses = "\n".join(f"{n}. {name}: the two sides differ." for n, name in enumerate(plan.family, 1))
        yield "Hypotheses", f"Confirmatory, two-sided:\n\n{hypotheses}\n\n{TO_FILL_IN} the direction expected, and why."
    else:
        yield "Hypotheses", f"None is confirmatory: the study file declares no family. {TO_FILL_IN} what is explored."


def _design(plan: Plan) -> Iterator[tuple[str, str]]:
    facts = plan.facts
    yield "Study type", "Experiment: conditions are assigned by the software."
    yield (
        "Blinding",
        (
            "Participants are not told which system wrote a response, nor from which response a persona was inferred. "
            "Researchers see arms by number and code; which system an arm is takes a permission, and every look "
            "is logged."
        ),
    )
    yield "Study design", _parts(plan)
    yield (
        "Randomization",
        (
            "Which prompts a participant meets, their order, and the sides of responses are drawn from seed "
            f"{facts.seed} "
            f"and the counts so far; sides are counterbalanced within items{_blocks(facts)}."
        ),
    )


def _parts(plan: Plan) -> str:
    facts = plan.facts
    arms = "" if plan.is_assessment else f" with {facts.arms} arms, all of which a participant sees side by side"
    parts = [f"Within participants{arms}."]
    if facts.written:
        parts.append(f"Each participant writes {counted(facts.written, 'persona')} of their own and rates for them.")
    if facts.given:
        parts.append(f"Each participant meets {counted(facts.given, 'given persona')}.")
    if facts.overlap:
        parts.append(f"A second person rates {100 * facts.overlap:g} % of the personas that others wrote.")
    if facts.repeat:
        parts.append(f"Participants rate {100 * facts.repeat:g} % of their own parts twice, unannounced.")
    if facts.elicitation != "free":
        share = "half of the personas" if facts.elicitation == "both" else "all personas"
        parts.append(f"Questions help to write {share}.")
    return " ".join(parts)


def _blocks(facts: StudyFacts) -> str:
    blocks = {"stratum": "data sets", "condition": "the conditions of personas"}.get(facts.blocks)
    return f", and every participant sees {blocks} equally often" if blocks else ""


def _sampling(plan: Plan) -> Iterator[tuple[str, str]]:
    facts = plan.facts
    yield (
        "Existing data",
        "Registration before the collection of data."
        if not plan.answers
        else f"Registration after data collection had begun: {counted(plan.answers, 'answer')}.",
    )
    platform = "through Prolific" if facts.is_on_prolific else "by links of their own"
    yield "Data collection procedures", f"Participants come {platform}. {TO_FILL_IN} who may take part, and the pay."
    places = facts.prompts * facts.raters_per_item
    people = f"{facts.quota} people who finish" if facts.quota else "no limit but the places"
    yield (
        "Sample size",
        (
            f"{counted(facts.prompts, 'prompt')}, each for {counted(facts.raters_per_item, 'person', 'people')}: "
            f"{counted(places, 'place')}. Wanted: {people}."
        ),
    )
    yield "Sample size rationale", f"{TO_FILL_IN} the power of this design, as `manage.py plan_sample` simulates it."
    yield (
        "Stopping rule",
        f"The study ends when its places or its quota are filled. {TO_FILL_IN} a date, if there is one.",
    )


def _variables(plan: Plan) -> Iterator[tuple[str, str]]:
    manipulated = (
        "Whether the persona was inferred from the chosen or the rejected response of a pair."
        if plan.is_assessment
        else f"The arm that wrote a response: {', '.join(_arms(plan))}."
    )
    yield "Manipulated variables", manipulated
    yield "Measured variables", "\n".join(_question(aspect) for aspect in plan.questions)
    yield "Indices", "None: every question is analysed by itself."


def _arms(plan: Plan) -> Iterator[str]:
    for number in range(1, plan.facts.arms + 1):
        yield f"arm {number}{' (control)' if number in plan.controls else ''}"


def _question(aspect: Aspect) -> str:
    scale = "; ".join(f"{value} = {label}" for value, label in aspect.options)
    others = f" Of others' personas: “{aspect.question_for_others}”" if aspect.question_for_others else ""
    when = ", asked before the persona is shown" if aspect.before_persona else ""
    return (
        f"- **{aspect.name}** ({aspect.get_kind_display().lower()}, {aspect.level}{when}): "
        f"“{aspect.question}”{others} {scale}."
    )


def _analysis(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "Statistical models", _models(plan)
    yield "Transformations", "None. Values of scales are taken as they are."
    yield "Inference criteria", _criteria(plan)
    rules = "; ".join(plan.facts.rules)
    primary = plan.analysis.get("population", "all")
    who = "everybody" if primary == "all" else "the people who were not excluded"
    flagged = f"Flagged are: {rules}." if rules else "The study file has no rules that flag participants."
    yield (
        "Data exclusion",
        (
            f"{flagged} Flags remove nobody by themselves; exclusions are recorded with their reason. Primary are the "
            "results "
            f"of {who}; those of the others are given as a sensitivity check."
        ),
    )
    skipping = " Parts may be skipped with a reason." if plan.facts.may_skip else ""
    yield "Missing data", f"Only completed parts count; nothing is imputed.{skipping}"
    yield (
        "Exploratory analysis",
        (
            "Everything outside the confirmatory family, everything by data set, and the adjustment for length; not "
            "adjusted "
            "for their number, and reported as exploratory."
        ),
    )


def _models(plan: Plan) -> str:
    if plan.is_assessment:
        reach = "others like them" if plan.analysis.get("raters") == "sampled" else "these raters"
        return (
            "Each persona's ratings are averaged over its raters; chosen and rejected personas are compared within "
            f"preference pairs, with 95 % intervals and sign-flip tests over pairs. Results are to hold for {reach}."
        )
    fixed = plan.analysis.get("prompts") == "fixed"
    reach = (
        "Results are to hold for these prompts alone."
        if fixed
        else "Where participants share prompts, both are samples: the interval and the tests take both into account "
        "(crossed variance), and the largest of the sign-flip test over participants, that over prompts, and the "
        "crossed "
        "t-test counts."
    )
    return (
        f"Compared: {joined(plan.contrasts)}. The unit is the participant: mean over participants of their mean "
        f"difference within pairs, with a 95 % t-interval and a sign-flip test, two-sided. {reach}"
    )


def _criteria(plan: Plan) -> str:
    names = {aspect.key: aspect.name for aspect in plan.questions}
    family = (
        f"The family of confirmatory tests is {joined(plan.family)}, over all comparisons; p-values are adjusted "
        "after Holm "
        "at .05."
        if plan.family
        else "No test is confirmatory."
    )
    margins = [f"{margin:g} points on {names.get(key, key)}" for key, margin in plan.analysis.get("margin", {}).items()]
    tested = (
        f"Non-inferiority and equivalence (two one-sided tests) are tested at margins of {joined(margins)}."
        if margins
        else "No margin is declared: neither equivalence nor non-inferiority will be claimed."
    )
    return f"{family} {tested} That a test does not reject is not taken as evidence of no difference."


def _other(facts: StudyFacts) -> Iterator[tuple[str, str]]:
    controls = [
        *([f"a quiz of {counted(facts.quiz_questions, 'question')}"] if facts.quiz_questions else []),
        *([counted(facts.attention_checks, "attention check")] if facts.attention_checks else []),
        *([f"{counted(facts.planted, 'planted pair')} of a good and a bad response"] if facts.planted else []),
        *([f"{counted(facts.practice_parts, 'practice part')} that do not count"] if facts.practice_parts else []),
    ]
    yield "Controls of quality", f"{joined(controls)}." if controls else "None but those above."
    yield "Ethics", f"{TO_FILL_IN} approval. Participants consent to this text:\n\n{_quoted(facts.consent)}"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())
