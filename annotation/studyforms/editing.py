"""One page of the form for one study: what stands, what was typed, and what a study file would hold then."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from annotation.studyfile.languages import SOURCE, limited_to
from annotation.studyfile.problems import Problem
from annotation.studyfile.schema import ItemColumns
from annotation.studyforms.bound import Binder, Bound, place_problems
from annotation.studyforms.labels import help_of, label_of
from annotation.studyforms.sections import ITEMS, FormSection
from annotation.studyforms.shapes import Shape, fields_of
from annotation.studyforms.states import act, settled, state_of, state_sent

_LONG = ("prompt", "persona", "answer_start")


def languages_in(data: Mapping[str, Any]) -> list[str]:
    """Return the languages of a study file's data, the first one first."""
    return list(data.get("languages") or [data.get("language") or SOURCE])


@dataclass
class SectionForm:
    """The states of one page's keys, beside the data of the whole study that stands."""

    shapes: dict[str, Shape]
    data: dict[str, Any]
    states: dict[str, Any]

    @classmethod
    def standing(cls, section: FormSection, data: dict[str, Any]) -> "SectionForm":
        """Return the form that shows what stands."""
        shapes = section.shapes
        return cls(shapes, data, {key: state_of(shape, data.get(key)) for key, shape in shapes.items()})

    @classmethod
    def sent(cls, section: FormSection, data: dict[str, Any], sent: Mapping[str, Any]) -> "SectionForm":
        """Return the form with what was typed into it."""
        shapes, languages = section.shapes, languages_in(data)
        states = {key: state_sent(shape, key, sent, languages) for key, shape in shapes.items()}
        return cls(shapes, data, states)

    def act(self, button: str) -> None:
        """Do what a button such as `remove aspects.2` says; one that says nothing known does nothing."""
        action, _, name = button.partition(" ")
        key, *steps = name.split(".")
        if action in ("add", "remove", "up", "down") and key in self.shapes:
            self.states[key] = act(self.shapes[key], self.states[key], action, steps)

    def typed(self) -> dict[str, Any]:
        """Return the data of the study with what was typed."""
        data = dict(self.data)
        for key, shape in self.shapes.items():
            value = settled(shape, self.states[key])
            data.pop(key, None)
            if value is not None and (value != {} or shape.required):
                data[key] = value
        return limited_to(data, languages_in(data)) if "languages" in self.shapes else data

    def settle(self) -> None:
        """Drop the rows that were left empty, so that problems stand where they are numbered."""
        self.states = {key: state_of(shape, settled(shape, self.states[key])) for key, shape in self.shapes.items()}

    def inputs(self, problems: Iterable[Problem] = ()) -> tuple[list[Bound], list[Problem]]:
        """Return the inputs, each with what is wrong with it, and the problems that belong to other pages."""
        binder = Binder(languages_in(self.data))
        found = [
            binder.bound(shape, key, self.states[key], label=label_of(key, "StudyFile"), help=help_of(key, "StudyFile"))
            for key, shape in self.shapes.items()
        ]
        return found, place_problems(found, list(problems))


def item_shape() -> Shape:
    """Return the shape of one item: the fields for which columns of a file can be named."""
    fields = {
        name: Shape("text" if name in _LONG else "line", required=name == "prompt") for name in fields_of(ItemColumns)
    }
    return Shape("section", fields=fields, name=ItemColumns.__name__)


def item_name(index: int) -> str:
    """Return what an item's inputs begin with, by its place from 0: as problems of a study file name it."""
    return f"{ITEMS}.{index}"
