"""How texts are laid out in the prompts about personas, and how an answer is freed of its reasoning. Pure functions."""

import re

INDENT = "  "
_THOUGHT = re.compile(r"<(think|thinking|reasoning)>", re.IGNORECASE)
_THOUGHT_ENDS = re.compile(r"</(?:think|thinking|reasoning)>", re.IGNORECASE)


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
    """Return what follows the reasoning that some models put between tags first; None if it never ends.

    Where a chat template has opened the reasoning, as with DeepSeek-R1, only its end stands in the answer.
    """
    opened = _THOUGHT.match(text.lstrip())
    if opened is None:
        return _THOUGHT_ENDS.split(text)[-1]
    end = re.search(f"</{opened[1]}>", text, re.IGNORECASE)
    return text[end.end() :] if end else None
