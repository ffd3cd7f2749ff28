"""Inputs: a shape with its state, the words beside it, and what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from annotation.studyfile.problems import Problem
from annotation.studyforms.labels import choice_label, help_of, label_of, row_label
from annotation.studyforms.shapes import Shape
from annotation.studyforms.states import is_said

_ANSWERS = (("true", "yes"), ("false", "no"))


@dataclass
class Bound:
    """One input or a group of them. `name` is that of the form's field; `language` says in which a text is."""

    kind: str
    name: str
    label: str
    help: str = ""
    value: Any = ""
    required: bool = False
    longest: int | None = None
    choices: tuple[tuple[Any, str], ...] = ()
    children: list["Bound"] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    language: str = ""
    present: bool = True
    optional: bool = False
    is_row: bool = False
    is_plain: bool = False  # a row that is one input
    chooses: bool = False  # other values have other inputs beside it
    is_first: bool = False
    is_last: bool = False

    @property
    def help_id(self) -> str:
        """The id of what describes the input; empty where nothing does."""
        return f"help-{self.name}" if self.help or self.problems else ""

    @property
    def takes_image(self) -> bool:
        """Whether it names the image of a prompt, so that a file can be sent in its place."""
        return self.name.endswith(".image")

    def walk(self) -> list["Bound"]:
        """Return this and everything in it."""
        return [self, *(one for child in self.children for one in child.walk())]


class Binder:
    """Makes the inputs of a form for a study in these languages."""

    def __init__(self, languages: Sequence[str]) -> None:
        self.languages = list(languages)

    def bound(self, shape: Shape, name: str, state: Any, *, label: str = "", help: str = "") -> Bound:
        """Return the input of a shape, with those inside of it."""
        made = Bound(shape.kind, name, label, help, required=shape.required, longest=shape.longest)
        made.optional, made.present = shape.optional, state is not None or not shape.optional
        if shape.kind in ("section", "variants"):
            made.kind = "section"
            made.children = self._fields(shape, name, state or {}) if made.present else []
        elif shape.kind in ("rows", "pairs"):
            made.children = self._rows(shape, name, state if isinstance(state, list) else [])
        elif len(self.languages) > 1 and is_said(name):
            made.kind, made.children = "languages", self._texts(shape, name, state, label)
        else:
            _fill(made, shape, state)
        return made

    def _fields(self, shape: Shape, name: str, state: dict[str, Any]) -> list[Bound]:
        section = shape.section(state)
        found = []
        for key, inside in section.fields.items():
            words = {"label": label_of(key, section.name), "help": help_of(key, section.name)}
            made = self.bound(inside, f"{name}.{key}", state.get(key), **words)
            made.chooses = key == "type" and bool(shape.variants)
            found.append(made)
        return found

    def _rows(self, shape: Shape, name: str, rows: list[Any]) -> list[Bound]:
        found = []
        for index, row in enumerate(rows):
            words = row_label(name.rsplit(".", 1)[-1], index + 1)
            if shape.kind == "pairs":
                made = self._pair(shape, f"{name}.{index}", row or {}, words)
            else:
                made = self.bound(shape.of, f"{name}.{index}", row, label=words)
            made.is_row, made.is_first, made.is_last = True, index == 0, index == len(rows) - 1
            made.is_plain = made.kind in ("line", "text", "number", "decimal", "choice", "check")
            found.append(made)
        return found

    def _pair(self, shape: Shape, name: str, row: dict[str, Any], words: str) -> Bound:
        assert shape.key
        section = name.split(".")[-2]
        key = self.bound(shape.key, f"{name}.key", row.get("key"), label=label_of("key", f"{section} pair"))
        value = self.bound(shape.of, f"{name}.value", row.get("value"), label=label_of("value", f"{section} pair"))
        return Bound("pair", name, words, children=[key, value])

    def _texts(self, shape: Shape, name: str, state: Any, label: str) -> list[Bound]:
        found = []
        for code in self.languages:
            text = state.get(code, "") if isinstance(state, dict) else state
            made = Bound(shape.kind, f"{name}@{code}", label, longest=shape.longest, language=code)
            made.value = "" if text is None else text
            found.append(made)
        return found


def _fill(made: Bound, shape: Shape, state: Any) -> None:
    """Put in what stands there, or what it means to leave it out."""
    value = shape.default if state is None else state
    if shape.kind in ("maybe", "choice"):
        answers = _ANSWERS if shape.kind == "maybe" else [(one, one) for one in shape.choices]
        made.choices = tuple((value, str(choice_label(words))) for value, words in answers)
        if value is None or not shape.required and shape.default is None:
            made.choices = (("", "–"), *made.choices)
        value = {True: "true", False: "false"}.get(value, value) if shape.kind == "maybe" else value
        made.kind = "choice"
    made.value = "" if value is None or callable(value) else value


def place_problems(inputs: Sequence[Bound], problems: Sequence[Problem]) -> list[Problem]:
    """Put each problem to its input, or the nearest that it is in; return those that belong to none of these."""
    named = {one.name: one for top in inputs for one in top.walk()}
    elsewhere = []
    for problem in problems:
        steps = problem.path.replace("[", ".").replace("]", "").split(".")
        names = [".".join(steps[:length]) for length in range(len(steps), 0, -1)]
        found = next((named[name] for name in names if name in named), None)
        if found is None:
            elsewhere.append(problem)
        else:
            rest = ".".join(steps[len(found.name.split(".")) :])
            found.problems.append(f"{rest}: {problem.message}" if rest and found.kind == "section" else problem.message)
    return elsewhere
