"""From preference pairs with personas to training examples, by training persona. Pure.

Conditions of Balepur et al. (ACL 2025): a model learns to answer the prompt for the persona that explains the response.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from modelhub.prompting.endings import before_end

TrainingPersona = Literal["chosen", "rejected", "all", "none"]
TRAINING_PERSONAS: tuple[str, ...] = get_args(TrainingPersona)
_OTHER = {"chosen": "rejected", "rejected": "chosen"}


@dataclass(frozen=True)
class TrainingRow:
    """A preference pair: where it stands, its responses and personas by direction; a missing persona is left out.

    Personas of the directions in `unfit` are not learned from.
    """

    place: str
    prompt: str
    responses: Mapping[str, str]
    personas: Mapping[str, str]
    unfit: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Example:
    """Answer `prompt` for `persona` ("" for none) with `response` rather than `other` (which SFT does not use)."""

    place: str
    prompt: str
    persona: str
    response: str
    other: str


@dataclass(frozen=True)
class Examples:
    """What is trained on, each row that had to stay out, with the reason, and how many personas were unfit."""

    examples: list[Example]
    left_out: list[str]
    unfit: int = 0


def build_examples(rows: Sequence[TrainingRow], *, personas: str, both_responses: bool) -> Examples:
    """Return the examples of a training persona.

    `chosen` pairs the chosen response with its persona, `rejected` the rejected one with its own as the better answer;
    `all` makes both examples of each row, `none` shows no persona. `both_responses`: an example takes both (DPO).
    """
    directions = {"all": ("chosen", "rejected"), "none": ("chosen",)}.get(personas, (personas,))
    found: list[Example] = []
    left_out: list[str] = []
    unfit = 0
    for row in rows:
        for direction in directions:
            if direction in row.unfit and personas != "none":
                unfit += 1
                continue
            lacking = _lacking(row, direction, with_persona=personas != "none", both_responses=both_responses)
            if lacking:
                left_out.append(f"{row.place}: {' and '.join(lacking)}")
            else:
                persona = "" if personas == "none" else row.personas[direction].strip()
                other = row.responses[_OTHER[direction]]
                found.append(Example(row.place, row.prompt, persona, row.responses[direction], other))
    return Examples(found, left_out, unfit)


def _lacking(row: TrainingRow, direction: str, *, with_persona: bool, both_responses: bool) -> list[str]:
    """Return what the row would need for an example of this direction and does not have."""
    needed = (direction, _OTHER[direction]) if both_responses else (direction,)
    lacking = [f"no {one} response" for one in needed if not before_end(row.responses.get(one, "")).strip()]
    if with_persona and not row.personas.get(direction, "").strip():
        lacking.append(f"no {direction} persona")
    return lacking
