"""Persona inference as text: the prompt a model is given, and the persona in its answer. Pure functions.

The method (for whom is this response the better one, asked for either response, five worked examples, one sentence of
a set form) is that of Balepur et al., "Whose Boat Does it Float?" (ACL 2025), arXiv 2501.11549. The wording is ours.
"""

import re
from functools import lru_cache

from modelhub.profiles import SHOTS, DatasetProfile
from modelhub.prompting.answers import after_thoughts, labelled, on_one_line

# Name and version: raise the version whenever a change below, or in a built-in profile, alters a rendered character.
INFERENCE_TEMPLATE = "persona-inference/1"
DIRECTIONS = ("chosen", "rejected")

_INSTRUCTIONS = """\
{task}
People differ in which of two responses suits them. For each prompt below, one user read two responses and preferred \
the first of them. The persona after them says in one sentence what kind of user that is.
What a persona is like:
- It has the form "The user is [attribute] and prefers [explanation]", and is one short sentence.
- It names high-level traits that would show in other situations too: what the user needs to know, interests, ways of \
learning or deciding, personality.
- It is fair to the user: somebody sensible may prefer either response, so it explains the preference and judges nobody.
- It never touches on protected attributes, such as race, ethnicity, nationality, religion, gender, sexual \
orientation, age or disability.
- It is in fresh words and repeats no wording of the prompt or of the responses.
"""
_EMPHASIS = re.compile(r"\*\*|__|`")
# List marks and labels in any number, taken off in one pass: a model that has lost its way repeats them without end.
_OPENINGS = re.compile(
    r"^(?:(?:[-*+•>#]+|\d{1,2}[.)])\s+|[*_]?(?:(?:user|inferred)[ -])?persona(?: \d+)?[*_]? ?[:：][*_]?\s*)+",
    re.IGNORECASE,
)
_QUOTES = (('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"), ("«", "»"), ("*", "*"), ("_", "_"), ("[", "]"))


def render_inference(
    profile: DatasetProfile, *, prompt: str, chosen: str, rejected: str, direction: str, shots: int = SHOTS
) -> str:
    """Return the text that asks for the persona of a user who prefers the chosen or the rejected response.

    The preferred response always stands first, under a label that says so, and nothing says which of the two was
    chosen in the data: the two directions are one prompt with the two responses exchanged. The examples, too, are the
    same in both, and show by turns the persona of a chosen and of a rejected response. Every block ends with an empty
    line but the last, which ends with "Persona:", to be completed.

    Raises:
        ValueError: if `direction` is neither chosen nor rejected, `shots` not 0 to 5, or a text is blank.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"A direction is chosen or rejected, not {direction!r}.")
    asked = _block(profile, prompt=prompt, chosen=chosen, rejected=rejected, direction=direction)
    return render_instructions(profile, shots=shots) + asked


@lru_cache(maxsize=16)
def render_instructions(profile: DatasetProfile, *, shots: int = SHOTS) -> str:
    """Return what `render_inference` begins with, whatever the pair: the instructions and all examples.

    Raises ValueError if `shots` is not 0 to 5.
    """
    if not 0 <= shots <= SHOTS:
        raise ValueError(f"There are {SHOTS} examples to show: shots must be 0 to {SHOTS}, not {shots}.")
    blocks = [_INSTRUCTIONS.format(task=profile.task).rstrip("\n")]
    for number, shot in enumerate(profile.exemplars[:shots]):
        shown = DIRECTIONS[number % 2]
        persona = shot.chosen_persona if shown == "chosen" else shot.rejected_persona
        block = _block(profile, prompt=shot.prompt, chosen=shot.chosen, rejected=shot.rejected, direction=shown)
        blocks.append(f"{block} {on_one_line(persona)}")
    return "".join(f"{block}\n\n" for block in blocks)


def parse_persona(text: str) -> str:
    """Return the persona in a model's answer: its first line, without label, quotes and Markdown; "" if unreadable.

    A line that only announces ("Persona:", "Here is one:") is passed over, and so is reasoning between tags.
    """
    answer = after_thoughts(text)
    for line in (answer or "").splitlines():
        persona = _bare(line)
        if persona and not persona.endswith((":", "：")):
            return persona
    return ""


def _block(profile: DatasetProfile, *, prompt: str, chosen: str, rejected: str, direction: str) -> str:
    preferred, other = (chosen, rejected) if direction == "chosen" else (rejected, chosen)
    return "\n".join([
        labelled("Prompt", profile.clean_prompt(prompt)),
        labelled("Preferred response", profile.clean_response(preferred)),
        labelled("Other response", profile.clean_response(other)),
        "Persona:",
    ])  # fmt: skip


def _bare(line: str) -> str:
    """Return a line without what stands around a sentence; "" if no letter remains."""
    line = on_one_line(_EMPHASIS.sub("", line))
    while (inner := _unquoted(_OPENINGS.sub("", line).strip())) != line:
        line = inner
    return line if any(character.isalpha() for character in line) else ""


def _unquoted(line: str) -> str:
    for left, right in _QUOTES:
        if len(line) > 1 and line.startswith(left) and line.endswith(right) and not {left, right} & set(line[1:-1]):
            return line[1:-1].strip()
    return line
