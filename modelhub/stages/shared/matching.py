"""Find the unit each row of an output file belongs to, by item and persona and never by position. Pure functions."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from annotation.fields import check_id, id_key
from annotation.rowfiles import Record
from modelhub.prompting.endings import Completion, completion
from modelhub.prompting.layouts import PersonaStyle, render_prompt

_INFERENCE = re.compile(r"inference_type=(?:(?P<source>gold|retr)-(?P<direction>chosen|rejected)|none)\)")
_SPACES = re.compile(r"\s+")
RESPONSE = "\nResponse:"
_Asked = tuple[str, str]
# A persona in the system message is not in the rendered prompt: such a file cannot be told from one without personas.
_STYLES = [style for style in PersonaStyle if style != PersonaStyle.SYSTEM_MESSAGE]


@dataclass(frozen=True)
class GivenPersona:
    """A given persona with its item."""

    persona_id: int
    persona_key: str
    persona: str
    item_key: str
    prompt: str
    answer_start: str


@dataclass(frozen=True)
class Match:
    """A row and the units whose output it is."""

    record: Record
    units: tuple[GivenPersona, ...]
    rendered_prompt: str = ""


@dataclass(frozen=True)
class Matches:
    """What became of a file's rows. `style` is how personas enter its prompts, None where the file does not say.

    `styles` are all that give just these prompts: where personas need no other verb, first-person styles are alike.
    """

    matched: list[Match]
    unmatched: list[str]
    style: PersonaStyle | None = None
    styles: tuple[PersonaStyle, ...] = ()


def is_released(records: Sequence[Record]) -> bool:
    """Return whether these rows have the layout of the released generations: a rendered prompt and its response."""
    return all({"prompt", "response"} <= set(record.values) for record in records)


def released_origin(file_name: str) -> tuple[str, str] | None:
    """Return (direction, source) that a released file's name gives its personas; None if it gives none."""
    match = _INFERENCE.search(file_name)
    if match is None or match["source"] is None:
        return None
    return match["direction"], {"gold": "gold", "retr": "retrieved"}[match["source"]]


def released_completion(record: Record) -> Completion:
    """Return the answer of a released row; such files keep the model's own end, so what has none was cut off."""
    return completion(str(record.values["response"]), reported="length")


def match_released(records: Sequence[Record], units: Sequence[GivenPersona]) -> Matches:
    """Match rows by their rendered prompt, in the one persona style that most rows of the file fit.

    Splitting a prompt could not work: in the first-person layouts nothing marks where the persona starts. A prompt
    without a persona belongs to every unit of its item. What a person would not tell apart does not count: white space,
    how a character is composed, and the capitals of the words that the answer was given to begin with.
    """
    best = Matches([], [_unmatched(record, "prompt") for record in records])
    keys = [_asked(str(record.values["prompt"])) for record in records]
    for style in _STYLES:
        lookup = _lookup(units, style)
        found = [(record, lookup.get(key, ())) for record, key in zip(records, keys, strict=True)]
        matched = [Match(record, tuple(hits), str(record.values["prompt"])) for record, hits in found if hits]
        if len(matched) > len(best.matched):
            unmatched = [_unmatched(record, "prompt") for record, hits in found if not hits]
            best = Matches(matched, unmatched, style, (style,))
        elif matched and matched == best.matched:
            best = replace(best, styles=(*best.styles, style))
    return best


def match_generic(records: Sequence[Record], units: Sequence[GivenPersona]) -> Matches:
    """Match rows by their columns `item` and, where an item has several, `persona` (its text or its key).

    A row that names no item of the study is found by its `prompt`, where it has one.
    """
    by_item: dict[str, list[GivenPersona]] = defaultdict(list)
    by_prompt: dict[str, list[GivenPersona]] = defaultdict(list)
    for unit in units:
        by_item[unit.item_key].append(unit)
        by_prompt[shown(unit.prompt)].append(unit)
    for key in list(by_item):  # ids differ in more than case; those of older studies may not
        by_item.setdefault(id_key(key), by_item[key])
    matched: list[Match] = []
    unmatched: list[str] = []
    for record in records:
        found = _generic(record, by_item, by_prompt)
        if isinstance(found, GivenPersona):
            matched.append(Match(record, (found,)))
        else:
            unmatched.append(found)
    return Matches(matched, unmatched)


def _lookup(units: Iterable[GivenPersona], style: PersonaStyle) -> Mapping[_Asked, Sequence[GivenPersona]]:
    lookup: dict[_Asked, list[GivenPersona]] = defaultdict(list)
    for unit in units:
        rendered = render_prompt(prompt=unit.prompt, persona=unit.persona, style=style, answer_start=unit.answer_start)
        lookup[_asked(rendered)].append(unit)
    return lookup


def _asked(rendered: str) -> _Asked:
    """Return what tells one rendered prompt from another: what was asked, and how the answer was given to begin."""
    asked, _, start = rendered.rpartition(RESPONSE)
    return shown(asked), shown(start).casefold()


Units = Mapping[str, Sequence[GivenPersona]]


def _generic(record: Record, by_item: Units, by_prompt: Units) -> GivenPersona | str:
    prompt, named = shown(record.values.get("prompt")), record.values.get("item")
    candidates: Sequence[GivenPersona] = ()
    what = f"prompt {prompt[:80]!r}"
    if not prompt or shown(named):
        try:
            item = check_id(named)
        except ValueError as error:
            return f"{record.place}: the item's id {error}."
        candidates, what = by_item.get(item) or by_item.get(id_key(item), ()), f"item {item!r}"
    found = candidates or by_prompt.get(prompt, ())
    if not found:
        return f"{record.place}: the study has no {what} with a given persona."
    candidates = [unit for unit in found if not prompt or shown(unit.prompt) in prompt]  # rendered prompts hold more
    if not candidates:
        # Ids such as 0, 1, 2 are those of any file.
        return f"{record.place}: {what} has another prompt in the study than in this file."
    return _of_persona(record, what, candidates)


def _of_persona(record: Record, what: str, candidates: Sequence[GivenPersona]) -> GivenPersona | str:
    persona = shown(record.values.get("persona"))
    if persona:
        candidates = [unit for unit in candidates if persona in (unit.persona_key, shown(unit.persona))]
    if len(candidates) == 1:
        return candidates[0]
    if persona:
        count = "no such persona" if not candidates else f"this persona {len(candidates)} times"
        return f"{record.place}: {what} has {count}: {persona[:80]!r}."
    return f"{record.place}: {what} has {len(candidates)} personas; say in a column `persona` which one."


def _unmatched(record: Record, column: str) -> str:
    start = shown(record.values[column])[:80]
    return f"{record.place}: no item and persona of the study give the prompt that starts {start!r}."


def shown(value: Any) -> str:
    """Return a text as people tell it from others: without regard to white space and how characters are composed."""
    return "" if value is None else _SPACES.sub(" ", unicodedata.normalize("NFC", str(value))).strip()
