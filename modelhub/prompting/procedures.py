"""Training-free procedures: what a model is asked before it responds, and with what it responds then. Pure functions.

Each makes the same model fit a person better by prompting alone, so that it can be compared with models that were
tuned:

- `rubric`: the model writes the criteria by which the person would tell a good response, and responds with them in
  view. Checklists that a model writes for one instruction, and what they do for responses: Cook et al., "TICKing All
  the Boxes: Generated Checklists Improve LLM Evaluation and Generation" (2024), arXiv 2410.03608. Here the checklist
  is also one for the person, and stands before the response instead of choosing or mending it.
- `retrieved-exemplars`: the training pairs whose personas are nearest stand before the prompt, in the layout of
  few-shot. Retrieval from what is known of people, by BM25 among others: Salemi et al., "LaMP: When Large Language
  Models Meet Personalization" (ACL 2024), arXiv 2304.11406. Exemplars that are near to what is asked: Liu et al., "What
  Makes Good In-Context Examples for GPT-3?" (DeeLIO 2022), arXiv 2101.06804.
- `self-refine`: a draft, the model's own feedback on it, and the response after it. Madaan et al., "Self-Refine:
  Iterative Refinement with Self-Feedback" (NeurIPS 2023), arXiv 2303.17651; one iteration.

The wording is ours.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from modelhub.prompting.answers import after_thoughts, labelled
from modelhub.prompting.endings import whole_answer
from modelhub.prompting.layouts import render_prompt
from modelhub.prompting.persona_text import persona_as_data


class Procedure(StrEnum):
    """How a system comes to its response. Systems are stored with these values."""

    RUBRIC = "rubric"
    RETRIEVED_EXEMPLARS = "retrieved-exemplars"
    SELF_REFINE = "self-refine"


# Part of the fingerprints of systems with a procedure: raise a version whenever a character that it renders changes,
# or which exemplars are nearest.
_VERSIONS = {Procedure.RUBRIC: "1", Procedure.RETRIEVED_EXEMPLARS: "1", Procedure.SELF_REFINE: "1"}

RESPONSE = "response"
_STEPS = {
    Procedure.RUBRIC: ("rubric", RESPONSE),
    Procedure.RETRIEVED_EXEMPLARS: (RESPONSE,),
    Procedure.SELF_REFINE: ("draft", "feedback", RESPONSE),
}

_ASK_RUBRIC = """\
The person described below has written the prompt below. Write the criteria by which this person would tell a good \
response to it: three to six of them, each on a line of its own and in a few words, on what the response says or on \
how it says it. Write the criteria alone, and not the response.
"""
_ASK_FEEDBACK = """\
The person described below has written the prompt below, and the draft is a first response to it. Say how well the \
draft answers the prompt and how well it fits this person, and what should change: in a few short points, each on a \
line of its own. Write the points alone, and not a new response.
"""
_BULLET = re.compile(r"^(?:[-*•–]|\(?\d{1,2}[.)])\s+")


@dataclass(frozen=True)
class StepPlan:
    """The procedure by which a request is answered in several steps, and the parts of which its prompts are made."""

    procedure: str
    prompt: str
    persona: str
    style: str
    answer_start: str = ""


def procedure_version(procedure: str) -> str:
    """Return the version of what a procedure asks."""
    return _VERSIONS[Procedure(procedure)]


def steps_of(procedure: str) -> tuple[str, ...]:
    """Return the names of the requests that an output takes, in their order; the last one is for the response."""
    return _STEPS[Procedure(procedure)]


def render_step(plan: StepPlan, made: Mapping[str, str]) -> str:
    """Return what the model is asked next, where `made` holds by step what `read_step` made of its answers so far.

    A request for criteria or feedback is about the person, and says so in the same way whatever the persona style; a
    response is asked for in the system's own layout.
    """
    step = steps_of(plan.procedure)[len(made)]
    if step == "rubric":
        return _about(_ASK_RUBRIC, plan, label="Criteria")
    if step == "feedback":
        return _about(_ASK_FEEDBACK, plan, label="Feedback", draft=made["draft"])
    return render_prompt(
        prompt=plan.prompt, persona=plan.persona, style=plan.style, answer_start=plan.answer_start,
        before_response=_given(made),
    )  # fmt: skip


def is_about_the_person(step: str) -> bool:
    """Return whether a step asks about the person and not for a response, and so without the system message."""
    return step in ("rubric", "feedback")


def read_step(plan: StepPlan, step: str, text: str) -> str:
    """Return an answer of a step as later steps show it; empty if it says nothing, or is reasoning that never ended.

    It holds what a participant has written, in the model's words: like a persona, it opens no field of a prompt and has
    no special token in it.
    """
    lines = [persona_as_data(line) for line in (after_thoughts(text) or "").splitlines()]
    if step == "draft":
        return whole_answer(plan.answer_start, "\n".join(lines))
    points = [_BULLET.sub("", line.strip()) for line in lines]
    return "\n".join(f"- {point}" for point in points if any(character.isalnum() for character in point))


def _about(instruction: str, plan: StepPlan, *, label: str, draft: str = "") -> str:
    fields = [labelled("Prompt", plan.prompt), labelled("Persona", plan.persona)]
    fields += [labelled("Draft", draft)] if draft else []
    return "\n".join([instruction, *fields, f"{label}:"])


def _given(made: Mapping[str, str]) -> str:
    """Return what stands between prompt and response: the criteria, or the draft with the feedback."""
    if "rubric" in made:
        return f"Criteria that the response should meet:\n{made['rubric']}"
    if "feedback" in made:
        return f"{labelled('Draft', made['draft'])}\nFeedback that the response should heed:\n{made['feedback']}"
    return ""
