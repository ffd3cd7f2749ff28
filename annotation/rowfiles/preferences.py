"""Preference pairs as others publish them: conversations, transcripts and scored responses, as three texts. Pure.

*Conversations*: both sides are lists of messages (or one message), the conversation before them in the same lists, in
the column of the prompt or in `messages`. *Transcripts*: both sides are texts of turns that begin "Human:" and
"Assistant:". *Scored responses*: one row holds several responses to a prompt with their scores or ranks.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from annotation.prompts_display import split_turns
from annotation.rowfiles.records import gettext_noop

Values = Mapping[str, Any]
Turns = list[tuple[str, str]]
SPEAKERS = {"user": "Human", "human": "Human", "assistant": "Assistant", "gpt": "Assistant", "model": "Assistant"}
CONVERSATIONS = gettext_noop("The file holds preference pairs as conversations.")
TRANSCRIPTS = gettext_noop("The file holds preference pairs as transcripts.")
SCORED = gettext_noop("The file holds several scored responses to each prompt.")
_ANSWERED = "Assistant:"
_LISTED = re.compile(r"""\s*\[\s*\{\s*["'](?:role|content|from|value)["']\s*:""")
_CONTEXT = ("messages", "conversations")  # what both sides answer, where they are the answers alone
_RESPONSES = ("completions", "responses", "generations", "answers")  # lists of responses, or of objects that hold them
_SCORES = ("overall_score", "score", "rating", "scores", "ratings")
_RANKS = ("rank", "ranks")  # 1 is the best
_TEXTS = ("response", "text", "completion", "answer", "content")
_ASKED = ("prompt", "instruction", "question")
# Columns whose lists have to be read for all this.
NESTED = ("prompt", "chosen", "rejected", *_CONTEXT, *_RESPONSES, *_SCORES, *_RANKS)


class NoPair(ValueError):
    """A row compares no two answers to one prompt, or holds what cannot be shown: it says why, and is left out."""


@dataclass(frozen=True)
class PairNames:
    """Which columns hold prompt, chosen and rejected."""

    prompt: str = "prompt"
    chosen: str = "chosen"
    rejected: str = "rejected"


def form_of(values: Values, names: PairNames) -> str:
    """Return in which of the three forms a row holds its pair, as a sentence; "" where it holds three texts."""
    sides = [values.get(names.chosen), values.get(names.rejected)]
    if any(isinstance(one, list | dict) for one in (values.get(names.prompt), *sides)) and any(sides):
        return CONVERSATIONS
    if all(isinstance(side, str) and _is_transcript(side) for side in sides):
        return TRANSCRIPTS
    is_scored = names.chosen not in values and names.rejected not in values and _responses(values) is not None
    return SCORED if is_scored else ""


def as_texts(values: dict[str, Any], names: PairNames) -> dict[str, Any]:
    """Return a row with its prompt, chosen and rejected as texts, and whatever else it holds; itself if it is so.

    Raises NoPair for a row to be left out, and ValueError saying what would be right for one that is wrong.
    """
    form = form_of(values, names)
    if not form:
        _check_written_out(values, names)
        return values
    if form == SCORED:
        found = _scored(values, names)
    else:
        found = _conversation(values, names) if form == CONVERSATIONS else _transcript(values, names)
    prompt, chosen, rejected = found
    return {**values, names.prompt: prompt, names.chosen: chosen, names.rejected: rejected}


def _check_written_out(values: Values, names: PairNames) -> None:
    for name in (names.prompt, names.chosen, names.rejected):
        value = values.get(name)
        if isinstance(value, str) and _LISTED.match(value):
            raise ValueError(f"{name!r} holds a list of messages written as a text; bring it as JSONL or Parquet")


# --- Conversations -------------------------------------------------------------------------------------------------


def _conversation(values: Values, names: PairNames) -> tuple[str, str, str]:
    (before, chosen), (other, rejected) = (_answered(values, name) for name in (names.chosen, names.rejected))
    if before != other:
        raise NoPair(f"{names.chosen!r} and {names.rejected!r} answer different conversations")
    asked = values.get(names.prompt)
    given = _turns(asked, names.prompt) if isinstance(asked, list | dict) else []
    if before and given and given not in (before, _without_system(before)):
        raise ValueError(_disagree(names))
    said = isinstance(asked, str) and asked.strip()
    context = before or given or ([] if said else _beside(values))
    if said and not context:
        return str(asked), chosen, rejected
    if not context:
        raise ValueError(f"there is no prompt: neither a column {names.prompt!r} nor messages before the response")
    if said and _plain(str(asked)) not in _ways_to_say(context):
        raise ValueError(_disagree(names))
    return _rendered(context), chosen, rejected


def _disagree(names: PairNames) -> str:
    return (
        f"{names.prompt!r} and the messages before the response in {names.chosen!r} say different things; leave out "
        "the column that does not hold what was answered"
    )


def _beside(values: Values) -> Turns:
    """Return the conversation that stands beside both sides, [] if none does."""
    return next((_turns(values[name], name) for name in _CONTEXT if values.get(name)), [])


def _answered(values: Values, name: str) -> tuple[Turns, str]:
    """Return what a side holds before its last message, and that message."""
    side = values.get(name)
    if isinstance(side, str):
        return [], side
    if not isinstance(side, list | dict):
        raise ValueError(f"{name!r} must be a text or a list of messages, not {type(side).__name__}")
    turns = _turns(side, name)
    if not turns or turns[-1][0] != "Assistant":
        raise ValueError(f"{name!r} must end with a message of the role assistant, which is the response")
    return turns[:-1], turns[-1][1]


def _turns(messages: Any, name: str) -> Turns:
    listed = messages if isinstance(messages, list) else [messages]
    turns = [_turn(message, name) for message in listed]
    return [(speaker, text) for speaker, text in turns if speaker or text.strip()]  # an empty system message is none


def _turn(message: Any, name: str) -> tuple[str, str]:
    """Return who speaks, "" for the system, and what is said."""
    found = message if isinstance(message, dict) else {}
    role, content = found.get("role", found.get("from")), found.get("content", found.get("value"))
    if not isinstance(role, str) or "role" not in found and "from" not in found:
        raise ValueError(f'{name!r} must be a text, or a list of messages such as {{"role": "user", "content": "…"}}')
    if role != "system" and role not in SPEAKERS:
        raise NoPair(f"{name!r} has a message of the role {role!r}, which no prompt of ours can show")
    return SPEAKERS.get(role, ""), _content(content, name)


def _content(content: Any, name: str) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    if not parts or not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in parts):
        raise NoPair(f"{name!r} has a message that is no text")
    return "\n".join(part["text"] for part in parts)


def _rendered(turns: Turns) -> str:
    """Return a conversation as our prompt: one turn as it is, several as a dialogue.

    A system message stands before the first turn's text, with an empty line between, as it does for models that know no
    system messages.
    """
    system = "\n\n".join(text.strip() for speaker, text in turns if not speaker)
    said = _without_system(turns)
    if not said or said[-1][0] != "Human":
        raise ValueError("the message before the response must be of the role user")
    if system:
        said = [(said[0][0], f"{system}\n\n{said[0][1]}"), *said[1:]]
    return _dialogue(said)


def _dialogue(turns: Turns) -> str:
    if len(turns) == 1:
        return turns[0][1]
    turns = [(speaker, text.strip()) for speaker, text in turns]
    prompt = "\n\n".join(f"{speaker}: {text}" for speaker, text in turns)
    if split_turns(prompt) != turns:
        raise NoPair('a message is empty, or has a line that begins with "Human:" or "Assistant:", a turn in a prompt')
    return prompt


def _without_system(turns: Turns) -> Turns:
    return [(speaker, text) for speaker, text in turns if speaker]


def _ways_to_say(context: Turns) -> set[str]:
    """Return the texts that a column of the prompt may hold of a conversation: all of it, or how it begins."""
    said = _without_system(context)
    wholes = {_rendered(context), _rendered(said)}
    return {_plain(text) for text in (*wholes, said[0][1])}


def _plain(text: str) -> str:
    return " ".join(text.split())


# --- Transcripts ---------------------------------------------------------------------------------------------------


def _is_transcript(text: str) -> bool:
    return text.lstrip().startswith("Human:") and _ANSWERED in text


def _transcript(values: Values, names: PairNames) -> tuple[str, str, str]:
    (before, chosen), (other, rejected) = (_cut(values[name], name) for name in (names.chosen, names.rejected))
    if before != other:
        raise NoPair(f"{names.chosen!r} and {names.rejected!r} answer different conversations")
    asked = values.get(names.prompt)
    if isinstance(asked, str) and asked.strip():
        beginning = asked.strip().removesuffix(_ANSWERED).strip()
        if split_turns(beginning) != before and _plain(beginning) not in _ways_to_say(before):
            raise ValueError(_disagree(names))
    return _rendered(before), chosen, rejected


def _cut(text: str, name: str) -> tuple[Turns, str]:
    """Return the turns of a transcript before the last of the assistant, and that."""
    before, _, answer = text.strip().rpartition(f"\n{_ANSWERED}")
    turns = split_turns(before)
    if not before or turns[-1][0] != "Human" or len(split_turns(f"Human:\n\n{_ANSWERED} {answer}")) > 2:
        raise NoPair(f"{name!r} must end with a turn of the Assistant that answers one of the Human")
    return turns, answer.strip()


# --- Scored responses ----------------------------------------------------------------------------------------------


def _scored(values: Values, names: PairNames) -> tuple[str, str, str]:
    """Return the response of the highest score and that of the lowest; of several with one score, the first."""
    asked = next((values[name] for name in (names.prompt, *_ASKED) if values.get(name)), None)
    if isinstance(asked, list):
        asked = _rendered(_turns(asked, names.prompt))
    if not isinstance(asked, str):
        raise ValueError(f"there is no column {names.prompt!r} with the prompt that the responses answer")
    scored = list(_responses(values) or ())
    if len(scored) < 2:
        raise NoPair("has fewer than two responses with a score")
    best, worst = max(scored, key=lambda one: one[0]), min(scored, key=lambda one: one[0])
    if best[0] == worst[0]:
        raise NoPair("all its responses have the same score")
    return asked, best[1], worst[1]


def _responses(values: Values) -> list[tuple[float, str]] | None:
    """Return the responses that have a score, with it; None if a row holds no scored responses."""
    name = next((name for name in _RESPONSES if isinstance(values.get(name), list) and values[name]), "")
    if not name:
        return None
    listed = values[name]
    if all(isinstance(one, dict) for one in listed):
        if not any(key in one for one in listed for key in (*_SCORES, *_RANKS)):
            return None
        return list(_whole((_score(one), _text(one)) for one in listed))
    beside = next((key for key in (*_SCORES, *_RANKS) if isinstance(values.get(key), list)), "")
    if not beside or len(values[beside]) != len(listed):
        return None
    sign = -1 if beside in _RANKS else 1
    return list(_whole((_number(score, sign), text) for score, text in zip(values[beside], listed, strict=True)))


def _whole(found: Iterator[tuple[float | None, Any]]) -> Iterator[tuple[float, str]]:
    return ((score, text) for score, text in found if score is not None and isinstance(text, str))


def _text(response: Values) -> Any:
    return next((response[name] for name in _TEXTS if isinstance(response.get(name), str)), None)


def _score(response: Values) -> float | None:
    for names, sign in ((_SCORES, 1), (_RANKS, -1)):
        for name in names:
            if (found := _number(response.get(name), sign)) is not None:
                return found
    return None


def _number(value: Any, sign: int) -> float | None:
    try:
        found = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return sign * found if math.isfinite(found) else None
