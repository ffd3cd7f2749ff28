"""How a prompt is shown: as it is, or, where it is a dialogue, turn by turn."""

import re

_TURN = re.compile(r"^[ \t]*(Human|Assistant):[ \t]*", re.MULTILINE)


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
