"""What is particular to a dataset of preference pairs: its wording, its speakers, its examples. Pure: no Django."""

import re
from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

SHOTS = 5
# Until this rule {Term} had a capital at its beginning alone; outputs of both kinds must not pass for one.
_TERM_RULE = "every part capitalised"
_PLACES = re.compile(r"\{(.*?)\}")

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\n\r]*$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Exemplar(_Strict):
    """A worked example: a preference pair with the persona of a user for either response."""

    prompt: Text
    chosen: Text
    rejected: Text
    chosen_persona: Line
    rejected_persona: Line

    @model_validator(mode="after")
    def _both_sides_differ(self) -> Self:
        if self.chosen == self.rejected:
            raise ValueError("chosen and rejected are the same text; nobody could prefer one of them")
        if self.chosen_persona == self.rejected_persona:
            raise ValueError("chosen_persona and rejected_persona are the same text")
        return self


class DatasetProfile(_Strict):
    """The few differences between datasets; docs/persona-inference.md describes every field."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)]
    aliases: tuple[Line, ...] = ()
    task: Line
    prompt_prefixes: tuple[Line, ...] = ()
    response_prefixes: tuple[Line, ...] = ()
    line_marks: tuple[Line, ...] = ()
    answer_start_template: str = Field(default="", alias="answer_start")
    system_persona: Line
    exemplars: Annotated[tuple[Exemplar, ...], Field(min_length=SHOTS, max_length=SHOTS)]

    @field_validator("answer_start_template")
    @classmethod
    def _knows_its_places(cls, template: str) -> str:
        unknown = [place for place in _PLACES.findall(template) if place not in {"term", "Term"}]
        if unknown or template.count("{") != len(_PLACES.findall(template)):
            raise ValueError(
                "only {term} and {Term} can stand in braces: the prompt as it is, or every part capitalised"
            )
        return template.strip()

    @field_validator("exemplars")
    @classmethod
    def _no_prompt_twice(cls, exemplars: tuple[Exemplar, ...]) -> tuple[Exemplar, ...]:
        if len({exemplar.prompt for exemplar in exemplars}) < len(exemplars):
            raise ValueError("two exemplars have the same prompt")
        return exemplars

    def clean_prompt(self, text: str) -> str:
        """Return the prompt without its speaker's label; a dialogue of several turns keeps all its labels.

        The label of the answer to come is taken from the end. Cleaning a clean prompt changes nothing.
        """
        before, text = "", self._with_lines(text)
        while text != before:
            before, text = text, self._less_labelled(text)
        return text

    def clean_response(self, text: str) -> str:
        """Return the response without its speaker's label; further turns in it stay. Twice is the same as once."""
        return _without_beginning(self._with_lines(text), self.response_prefixes)

    def answer_start(self, prompt: str) -> str:
        """Return the words that an answer to this prompt begins with, "" where the dataset has none.

        A term is capitalised as the authors of Mnemonic do it, part by part: "self-effacing" is "Self-Effacing".
        """
        term = self.clean_prompt(prompt)
        return _PLACES.sub(lambda place: term if place[1] == "term" else term.title(), self.answer_start_template)

    @property
    def answer_start_rule(self) -> str:
        """What decides how answers begin, told apart from earlier rules, under which {Term} was another text."""
        rule = f" ({_TERM_RULE})" if "{Term}" in self.answer_start_template else ""
        return self.answer_start_template + rule

    def _less_labelled(self, text: str) -> str:
        *_, last_line = text.splitlines() or [""]
        if last_line.strip() in self.response_prefixes:
            return text.removesuffix(last_line).rstrip()
        speakers = (*self.prompt_prefixes, *self.response_prefixes)
        if any(_beginning(line.lstrip(), speakers) for line in text.splitlines()[1:]):
            return text
        return _without_beginning(text, self.prompt_prefixes)

    def _with_lines(self, text: str) -> str:
        for mark in self.line_marks:
            text = re.sub(rf"[^\S\n]*{re.escape(mark)}[^\S\n]*", "\n", text)
        return text.strip()


def _beginning(text: str, prefixes: Iterable[str]) -> str:
    return next((prefix for prefix in prefixes if text.startswith(prefix)), "")


def _without_beginning(text: str, prefixes: Iterable[str]) -> str:
    prefixes = tuple(prefixes)
    while cut := _beginning(text, prefixes):
        text = text.removeprefix(cut).strip()
    return text
