"""What may stand at a place of the study file, as a form has to know it. Pure: pydantic's schema in, shapes out."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import MaxLen, MinLen
from pydantic import AfterValidator, BaseModel, Discriminator, Tag
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from annotation.fields import check_text

LEAVES = {bool: "check", int: "number", float: "decimal", str: "line"}


@dataclass(frozen=True)
class Shape:
    """One kind of value. `kind` is that of its input, or one of section, rows, pairs and variants.

    Rows hold values of `inner`; pairs are a mapping, with keys of `key`; variants are sections among which `choose`
    picks one by what is there.
    """

    kind: str
    required: bool = False
    optional: bool = False  # may be absent as a whole
    default: Any = None
    choices: tuple[Any, ...] = ()
    longest: int | None = None
    least: int = 0
    fields: dict[str, "Shape"] = field(default_factory=dict)
    inner: "Shape | None" = None
    key: "Shape | None" = None
    variants: dict[str, "Shape"] = field(default_factory=dict)
    choose: Callable[[Any], Any] | None = None
    name: str = ""  # of the section's model

    @property
    def of(self) -> "Shape":
        """What the rows, or the values of the pairs, are."""
        assert self.inner
        return self.inner

    def section(self, value: Any) -> "Shape":
        """Return the section that a value is, itself or the variant that it chooses."""
        return self.variants[self.choose(value)] if self.choose else self


@cache
def fields_of(model: type[BaseModel]) -> dict[str, Shape]:
    """Return the shape of every key of a section."""
    return {name: field_shape(info) for name, info in model.model_fields.items()}


def field_shape(info: FieldInfo) -> Shape:
    """Return the shape of one key."""
    shape = shape_of(info.annotation, (*info.metadata, *([info.discriminator] if info.discriminator else ())))
    default = None if info.default is PydanticUndefined else info.default
    return replace(shape, required=info.is_required(), default=default)


def shape_of(kind: Any, marks: tuple[Any, ...] = ()) -> Shape:
    """Return the shape of a type with what is said about it. Raises TypeError for one that forms cannot ask for."""
    while get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        marks = (*more, *marks)
    if get_origin(kind) in (Union, UnionType):
        return _shape_of_alternatives(kind, marks)
    if get_origin(kind) is Literal:
        return Shape("choice", choices=get_args(kind))
    if get_origin(kind) is list:
        return Shape("rows", inner=shape_of(get_args(kind)[0]), least=_limit(marks, MinLen, "min_length") or 0)
    if get_origin(kind) is dict:
        key, value = get_args(kind)
        return Shape("pairs", key=shape_of(key), inner=shape_of(value))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return Shape("section", fields=fields_of(kind), name=kind.__name__)
    if kind not in LEAVES:
        raise TypeError(f"there is no input for {kind!r}; add one to annotation/studyforms/shapes.py")
    return Shape("text" if _is_long(marks) else LEAVES[kind], longest=_limit(marks, MaxLen, "max_length"))


def _shape_of_alternatives(kind: Any, marks: tuple[Any, ...]) -> Shape:
    kinds = [one for one in get_args(kind) if one is not NoneType]
    optional = len(kinds) < len(get_args(kind))
    if len(kinds) == 1:
        shape = shape_of(kinds[0], marks)
        return replace(shape, kind="maybe" if shape.kind == "check" else shape.kind, optional=optional)
    tagged = {next(mark.tag for mark in get_args(one)[1:] if isinstance(mark, Tag)): shape_of(one) for one in kinds}
    _choose_among_all(tagged)
    # A number of sections is the same as so many of them, each as it is by default.
    rows = [shape for shape in tagged.values() if shape.kind == "rows"]
    if rows:
        return replace(rows[0], optional=optional)
    choose = next(mark.discriminator for mark in marks if isinstance(mark, Discriminator))
    assert callable(choose)
    return Shape("variants", variants=tagged, choose=choose, optional=optional)


def _choose_among_all(tagged: dict[str, Shape]) -> None:
    """Let every variant offer the types of all, so that each can be left again."""
    choosing = {tag: shape.fields["type"] for tag, shape in tagged.items() if "type" in shape.fields}
    choices = tuple(dict.fromkeys(choice for one in choosing.values() for choice in one.choices))
    for tag, one in choosing.items():
        fields = {**tagged[tag].fields, "type": replace(one, choices=choices)}
        tagged[tag] = replace(tagged[tag], fields=fields)


def _limit(marks: tuple[Any, ...], kind: type, name: str) -> int | None:
    """Return a limit, said by itself or inside of pydantic's `Field`."""
    for mark in marks:
        inside = getattr(mark, "metadata", [mark])
        found = next((getattr(one, name) for one in inside if isinstance(one, kind)), None)
        if found is not None:
            return int(found)
    return None


def _is_long(marks: tuple[Any, ...]) -> bool:
    return any(isinstance(mark, AfterValidator) and mark.func is check_text for mark in marks)
