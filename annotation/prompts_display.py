"""Prompts of several turns: how they are stored, as the one text that models are given, and how they are shown.

A dialogue is stored as "Human: …" and "Assistant: …", a blank line between two turns, which is how data sets of
dialogues write them. What is stored so comes apart into the same turns again.
"""

import re
from typing import Any

from annotation.fields import check_text, is_blank

_TURN = re.compile(r"^[ \t]*(Human|Assistant):[ \t]*", re.MULTILINE)

_SPEAKERS = {"user": "Human", "assistant": "Assistant"}


def split_turns(prompt: str) -> list[tuple[str, str]]:
    """Return (speaker, text) per turn; the speaker is "Human", "Assistant" or "".

    A prompt is a dialogue if it begins with "Human:" or "Assistant:", and a turn begins where a line begins so.
    Any other prompt is one turn without a speaker. An empty last turn, the place for the answer, is left out.
    """
    marks = list(_TURN.finditer(prompt))
    if not marks or prompt[: marks[0].start()].strip():
        return [("", prompt.strip())]
    ends = [mark.start() for mark in marks[1:]] + [len(prompt)]
    turns = [(mark[1], prompt[mark.end() : end].strip()) for mark, end in zip(marks, ends, strict=True)]
    return turns[:-1] if len(turns) > 1 and not turns[-1][1] else turns


def join_turns(messages: list[Any]) -> str:
    """Return the prompt that a list of messages, `{role: user, content: …}` and so on, is stored as.

    Raises:
        ValueError: it is no list of messages, or not one that would come apart again.
    """
    turns = [_turn(message, number) for number, message in enumerate(messages, start=1)]
    if not turns or turns[-1][0] != "Human":
        raise ValueError("must end with a message of the role user, which the responses answer")
    if len(turns) == 1:
        prompt = turns[0][1]
        turns = [("", prompt)]
    else:
        prompt = "\n\n".join(f"{speaker}: {text}" for speaker, text in turns)
    if split_turns(prompt) != turns:
        raise ValueError('has a message in which a line begins with "Human:" or "Assistant:"; that would be a new turn')
    return prompt


def _turn(message: Any, number: int) -> tuple[str, str]:
    if not isinstance(message, dict) or set(message) != {"role", "content"}:
        raise ValueError(f"message {number} must be a mapping of `role` and `content`, found {message!r}")
    if message["role"] not in _SPEAKERS:
        why = "what a system is told besides belongs to the system"
        raise ValueError(f"message {number} has the role {message['role']!r}; use user or assistant: {why}")
    if not isinstance(message["content"], str) or is_blank(message["content"]):
        raise ValueError(f"message {number} must have a text as its content, found {message['content']!r}")
    return _SPEAKERS[message["role"]], check_text(message["content"]).strip()
