"""What a model is given: the layout its training used, with the persona in one of five ways. Pure functions.

Layout and the released variant: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), arXiv 2501.11549.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from modelhub.prompting.grammar import first_person

# Part of every system's fingerprint, by persona style: raise a style's version whenever a change alters a single
# character of what it renders. Versions of the others stay, and with them the systems that were registered.
_VERSION = "1"


class PersonaStyle(StrEnum):
    """How a persona enters the prompt. Systems are stored with these values."""

    FIELD = "field"
    FIRST_PERSON = "first_person"
    RELEASED_FIRST_PERSON = "released_first_person"
    SYSTEM_MESSAGE = "system_message"
    NONE = "none"


def template_version(style: str) -> str:
    """Return the version of the layout in which systems of this persona style are asked."""
    return {PersonaStyle.FIRST_PERSON: "2"}.get(PersonaStyle(style), _VERSION)


def render_prompt(*, prompt: str, persona: str, style: str, answer_start: str = "", before_response: str = "") -> str:
    """Return the text a model is given, after `render_exemplars` where it is shown any.

    FIELD puts the persona on a line of its own, as the tailored models were trained; the first-person styles append
    it to the prompt, as a model trained without personas is given one; SYSTEM_MESSAGE leaves it to `system_message`.
    An empty persona leaves no trace. `before_response` are lines of their own before the last one, of a procedure.
    """
    block = _block(prompt, persona, style)
    if before_response:
        block = f"{block}\n{before_response}"
    return f"{block}\nResponse: {answer_start}" if answer_start else f"{block}\nResponse:"


def render_exemplars(exemplars: Sequence[Mapping[str, str]], *, style: str) -> str:
    """Return what stands before a few-shot prompt: exemplars (prompt, persona, response) in the layout of prompts."""
    blocks = [
        f"{_block(one['prompt'], one['persona'], style)}\nResponse: {one['response'].strip()}" for one in exemplars
    ]
    return "".join(f"{block}\n\n" for block in blocks)


def system_message(*, persona: str, style: str) -> str:
    """Return what goes before the prompt where the persona is a system message; empty in every other style."""
    persona = persona.strip()
    if style != PersonaStyle.SYSTEM_MESSAGE or not persona:
        return ""
    return f"Answer in the way that suits this user best. {persona}"


def _block(prompt: str, persona: str, style: str) -> str:
    """Return the prompt's line, and the persona's where it has one."""
    persona = "" if style in (PersonaStyle.NONE, PersonaStyle.SYSTEM_MESSAGE) else persona.strip()
    lines = [f"Prompt: {prompt}"]
    if persona and style == PersonaStyle.FIELD:
        lines.append(f"Persona: {persona}")
    elif persona:
        rewritten = first_person(persona) if style == PersonaStyle.FIRST_PERSON else released_first_person(persona)
        lines[0] += f" {rewritten}"
    return "\n".join(lines)


def released_first_person(persona: str) -> str:
    """Return the persona as the released baseline inputs have it: "The user is" becomes "I am", and nothing else.

    The verbs that follow stay in the third person ("I am … and prefers"), which handicaps the baseline; use it only to
    replicate the published comparison.
    """
    return persona.replace("The user is", "I am")
