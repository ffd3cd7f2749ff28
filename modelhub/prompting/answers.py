"""How texts are laid out in the prompts about personas, and how an answer is freed of its reasoning. Pure functions."""

import re

INDENT = "  "
_THOUGHT = re.compile(r"<(think|thinking|reasoning)>")


def labelled(label: str, text: str) -> str:
    """Return `label: text`, every line of the text after its first one indented.

    Labels stand at the start of a line and blocks are parted by an empty line. A text can therefore hold neither: its
    own "Prompt:" or blank line is an indented one, and cannot be taken for ours, or for the stop text of a generation.

    Raises:
        ValueError: if the text is blank.
    """
    lines = text.strip().splitlines()
    if not lines:
        raise ValueError(f"{label} is empty: a prompt about personas needs all its parts.")
    return f"{label}: " + f"\n{INDENT}".join(lines)


def on_one_line(text: str) -> str:
    """Return the text with every run of white space, line ends among it, as one blank."""
    return " ".join(text.split())


def after_thoughts(text: str) -> str | None:
    """Return what follows the reasoning that some models put between tags first; None if it never ends."""
    opened = _THOUGHT.match(text.lstrip())
    if opened is None:
        return text
    _, closed, answer = text.partition(f"</{opened[1]}>")
    return answer if closed else None
