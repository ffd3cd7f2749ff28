"""Files of others, known by their fields, as rows with id, prompt, text, system and system_message. Pure.

Each format says how one of its rows is known and what it says here. A chat becomes the prompt up to the assistant's
last turn, in the form in which prompts of several turns are shown, and that turn as the response.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from annotation.rowfiles.preferences import SPEAKERS, NoPair, PairNames, as_texts, form_of
from annotation.rowfiles.records import Record, gettext_noop

Values = Mapping[str, Any]
LEFT_OUT = gettext_noop("Rows that compare no two answers to one prompt were left out.")


@dataclass(frozen=True)
class Format:
    """A format of others: what is told of it, how a row of it is known, and what it says in our columns."""

    told: str  # a sentence that tells people what it is
    knows: Callable[[Values], bool]
    reads: Callable[[Values], dict[str, Any]]


def in_our_columns(records: Sequence[Record]) -> tuple[list[Record], list[str], list[str]]:
    """Return the rows in our columns, what is to be told of their format, and what is wrong with rows of it.

    Preference pairs become three texts; rows that are none are left out, which is told.
    """
    if forms := _forms(records):
        return _pairs(records, forms)
    for one in FORMATS:
        if records and all(one.knows(record.values) for record in records):
            return [replace(record, values=_filled(one.reads(record.values))) for record in records], [one.told], []
    return list(records), [], []


def _forms(records: Sequence[Record]) -> list[str]:
    """Return in which forms of others the rows hold preference pairs, as sentences."""
    return list(dict.fromkeys(form for record in records if (form := form_of(record.values, PairNames()))))


def _pairs(records: Sequence[Record], forms: list[str]) -> tuple[list[Record], list[str], list[str]]:
    found, left_out, problems = [], 0, []
    for record in records:
        try:
            found.append(replace(record, values=as_texts(record.values, PairNames())))
        except NoPair:
            left_out += 1
        except ValueError as error:
            problems.append(f"{record.place}: {error}.")
    return found, [*forms, *([LEFT_OUT] if left_out else [])], problems


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}


def _text(content: Any) -> str:
    """Return what a message says; of one in parts, its parts of text."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _turns(values: Values) -> list[tuple[str, str]]:
    """Return role and text of each message, whichever of two ways they are written in."""
    messages = values.get("messages") or values.get("conversations")
    found = [one for one in messages if isinstance(one, dict)] if isinstance(messages, list) else []
    return [
        (str(one.get("role") or one.get("from") or ""), _text(one.get("content") or one.get("value"))) for one in found
    ]


def _prompt(turns: Sequence[tuple[str, str]]) -> str:
    """Return one turn as it is, and several as a dialogue."""
    said = [(SPEAKERS[role], text) for role, text in turns if role in SPEAKERS]
    if len(said) == 1 and said[0][0] == "Human":
        return said[0][1]
    return "\n\n".join(f"{speaker}: {text}" for speaker, text in said)


def _chat(values: Values) -> dict[str, Any]:
    turns = _turns(values)
    answers = [number for number, (role, _) in enumerate(turns) if SPEAKERS.get(role) == "Assistant"]
    last = answers[-1] if answers else len(turns)
    return {
        "id": next((values[name] for name in ("id", "prompt_id", "conversation_id") if name in values), None),
        "prompt": _prompt(turns[:last]),
        "text": turns[last][1] if answers else None,
        "system": values.get("model"),
        "system_message": "\n".join(text for role, text in turns if role == "system"),
    }


def _alpaca(values: Values) -> dict[str, Any]:
    return {
        "id": values.get("id"),
        "prompt": "\n\n".join(str(values[name]) for name in ("instruction", "input") if values.get(name)),
        "text": values.get("output"),
        "system": values.get("generator"),
    }


def _inspect(values: Values) -> dict[str, Any]:
    """Read a sample of an inspect_ai log, whose input is a text or the messages before the answer."""
    output, asked = values["output"], values["input"]
    turns = _turns({"messages": asked}) if isinstance(asked, list) else [("user", str(asked))]
    choices = output.get("choices") or [{}]
    answer = output.get("completion") or _text((choices[0].get("message") or {}).get("content"))
    given = _turns(values)
    return {
        "id": values.get("id"),
        "prompt": _prompt(turns),
        "text": answer,
        "system": output.get("model"),
        "system_message": "\n".join(text for role, text in given if role == "system"),
    }


def _lm_eval(values: Values) -> dict[str, Any]:
    """Read a row of samples_*.jsonl, whose arguments and responses are nested in two ways."""
    return {"id": values.get("doc_id"), "prompt": _first(values["arguments"]), "text": _answer(values)}


def _answer(values: Values) -> Any:
    # What the model said, before a filter cut an answer to be counted out of it; older logs may lack it.
    return _first(values.get("resps")) or _first(values.get("filtered_resps"))


def _first(value: Any) -> Any:
    """Return the first text in lists within lists, or within the mappings gen_args_0 and arg_0."""
    while isinstance(value, list | dict) and value:
        value = value[0] if isinstance(value, list) else next(iter(value.values()))
    return value if isinstance(value, str) else None


FORMATS = (
    Format(
        gettext_noop("The file is a log of inspect_ai."),
        lambda values: {"input", "output"} <= values.keys() and isinstance(values["output"], dict),
        _inspect,
    ),
    Format(
        gettext_noop("The file is a log of lm-eval."),
        lambda values: {"doc", "arguments", "resps"} <= values.keys(),
        _lm_eval,
    ),
    Format(
        gettext_noop("The file holds outputs as AlpacaEval writes them."),
        lambda values: {"instruction", "output"} <= values.keys(),
        _alpaca,
    ),
    Format(gettext_noop("The file is a log of chats."), lambda values: bool(_turns(values)), _chat),
)
