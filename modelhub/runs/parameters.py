"""What a stage can be told, declared once: on the command line, in a pipeline's file, and as kept with its runs.

Every stage has one pydantic model. A field is a parameter: its name, its type, its default, and in words what it says.
Options of commands derive from it as those of trl's commands do from its dataclasses.
"""

import hashlib
import re
from argparse import ArgumentTypeError, _ArgumentGroup, _MutuallyExclusiveGroup
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

from django.core.management.base import CommandParser
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from annotation.errors import ServiceError

BATCH_SIZE = 64
LEASE_SECONDS = 120
MIN_LEASE_SECONDS = 3
MAX_LEASE_SECONDS = 24 * 60 * 60  # a lease tells the dead from the slow, which takes no longer
LARGEST = 2**31 - 1  # what databases keep as a count


@dataclass(frozen=True)
class Option:
    """How a parameter is given on a command line, as far as its type does not say it.

    `flag` stands in place of its name. `constants` are flags without a value, of which one may be given. `repeated`:
    the flag once for each value; otherwise several values follow one flag. `choices` are known only when asked for.
    """

    metavar: str = ""
    flag: str = ""
    positional: bool = False
    repeated: bool = False
    constants: Mapping[str, Any] = field(default_factory=dict)
    choices: Callable[[], Sequence[str]] | None = None


class Parameters(BaseModel):
    """All that a person can tell a stage; unknown names and wrong values are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name, info in type(self).model_fields.items():
            value, choices = getattr(self, name), _option(info).choices
            if choices is None or value == info.default:
                continue
            if wrong := [one for one in (value if isinstance(value, tuple) else (value,)) if one not in choices()]:
                raise ValueError(f"{name}: {wrong[0]!r} is none of {', '.join(choices())}")
        return self

    def stored(self) -> dict[str, Any]:
        """Return every parameter, given or defaulted, as JSON values."""
        return self.model_dump(mode="json")

    @classmethod
    def of_options(cls, options: Mapping[str, Any]) -> Self:
        """Return what the options of `add_options` say; raise ServiceError naming every wrong one."""
        try:
            return cls.model_validate({name: options[name] for name in cls.model_fields})
        except ValidationError as error:
            places = ((_flag(str(one["loc"][0]), cls) if one["loc"] else "", one) for one in error.errors())
            raise ServiceError(
                "\n".join(f"{place}: {message_of(one)}".removeprefix(": ") for place, one in places)
            ) from error


def message_of(problem: Mapping[str, Any]) -> str:
    """Return one of pydantic's problems in words."""
    kinds = {"extra_forbidden": "is not known", "missing": "is missing", "model_type": "must be a table"}
    return kinds.get(problem["type"], problem["msg"].removeprefix("Value error, "))


def whole_number(value: Any) -> int:
    """Return a whole number from 1 to 2³¹ - 1, as a number or in digits. Raises ValueError."""
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,10}", str(value)) or not 1 <= int(value) <= LARGEST:
        raise ValueError(f"{value!r} is no whole number from 1 to {LARGEST}")
    return int(value)


def lease_length(value: Any) -> int:
    """Return the seconds of a lease. Raises ValueError."""
    seconds = whole_number(value)
    if not MIN_LEASE_SECONDS <= seconds <= MAX_LEASE_SECONDS:
        raise ValueError(f"a lease takes {MIN_LEASE_SECONDS} to {MAX_LEASE_SECONDS} seconds, not {value}")
    return seconds


def seed_number(value: Any) -> int:
    """Return a seed: a whole number from 0 to 2³¹ - 1. Raises ValueError."""
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]+", str(value)):
        raise ValueError(f"{value!r} is no seed; a seed is a whole number from 0")
    if int(value) > LARGEST:
        raise ValueError(f"is {value}; seeds go up to {LARGEST}.")
    return int(value)


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, from 1. Rows belong to a part by their key, so every machine agrees on the split."""

    number: int = 1
    count: int = 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def holds(self, key: str) -> bool:
        """Return whether the row of this key belongs to the part."""
        if self.count == 1:
            return True
        digest = hashlib.sha256(key.encode("utf-8")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1


def shard_of(value: Any) -> Shard:
    """Return the shard that `2/4` names. Raises ValueError."""
    if isinstance(value, Shard):
        return value
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", str(value))
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f"{value!r} is no shard; write 2/4 for the second of four parts")
    return Shard(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class Where:
    """Where rows are answered: `here`, on `ray` (at `address`; without one, on this machine), or in a `folder`."""

    kind: str = "here"
    address: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.address}" if self.address else self.kind


def where_of(value: Any) -> Where:
    """Return the place that `here`, `ray`, `ray:ADDRESS` or `folder` names. Raises ValueError."""
    if isinstance(value, Where):
        return value
    kind, colon, address = str(value).partition(":")
    if kind not in ("here", "ray", "folder") or (colon and (kind != "ray" or not address.strip())):
        raise ValueError(f"{value!r} is no place; write here, ray, ray:ADDRESS or folder")
    return Where(kind, address.strip())


Positive = Annotated[int, BeforeValidator(whole_number)]
Seed = Annotated[int, BeforeValidator(seed_number)]
Lease = Annotated[int, BeforeValidator(lease_length)]
Place = Annotated[Where, BeforeValidator(where_of), PlainSerializer(str)]
Part = Annotated[Shard, BeforeValidator(shard_of), PlainSerializer(str)]


class LeaseOptions(Parameters):
    """What a stage can be told whose run is taken for lost without a sign of life."""

    lease_seconds: Annotated[Lease, Option(metavar="N")] = Field(
        default=LEASE_SECONDS, description="a killed run is taken for lost after this long"
    )


class PortionOptions(LeaseOptions):
    """What every stage that goes row by row can be told. `batch_size` rows are stored together."""

    limit: Annotated[Positive | None, Option(metavar="N")] = Field(default=None, description="make at most N rows")
    shard: Annotated[Part, Option(metavar="I/N")] = Field(
        default=Shard(), description="only part I of N, to share the work of machines"
    )
    batch_size: Annotated[Positive, Option(metavar="N")] = Field(
        default=BATCH_SIZE, description="rows stored at a time"
    )


class BatchOptions(PortionOptions):
    """What every stage can be told that asks an engine row by row."""

    on: Annotated[Place, Option(metavar="PLACE")] = Field(
        default=Where(), description="where rows are answered: here, ray, ray:ADDRESS, or folder (by answer_requests)"
    )
    exchange: Annotated[str, Option(metavar="FOLDER")] = Field(
        default="", description="where requests and answers lie that are not answered here; default: in VAR_DIR"
    )

    @model_validator(mode="after")
    def _exchanged(self) -> Self:
        if self.exchange and self.on.kind == "here":
            raise ValueError("exchange: rows that are answered here need no folder; say on ray or on folder too")
        return self


def add_options(parser: CommandParser, parameters: type[Parameters]) -> None:
    """Add an option, or a positional argument, for every parameter."""
    fields = parameters.model_fields
    for name in sorted(fields, key=lambda one: not _option(fields[one]).positional):
        _add(parser, name, _flag(name, parameters), fields[name])


def described(parameters: type[Parameters]) -> list[tuple[str, str, str]]:
    """Return every parameter as (how it is given, its default, what it says), as documentation shows it."""
    rows = []
    for name, info in parameters.model_fields.items():
        option = _option(info)
        given = " or ".join(option.constants) if option.constants else _flag(name, parameters)
        metavar = option.metavar or ("" if _type(info)[0] is bool or option.constants else name.upper())
        rows.append(
            (f"{given} {metavar}".strip() if not option.positional else metavar, _default(info), info.description or "")
        )
    return rows


def _option(info: FieldInfo) -> Option:
    return next((one for one in info.metadata if isinstance(one, Option)), Option())


def _flag(name: str, parameters: type[Parameters]) -> str:
    info = parameters.model_fields.get(name)
    option = _option(info) if info else Option()
    if option.positional:
        return option.metavar or name
    return next(iter(option.constants), "") or option.flag or f"--{name.replace('_', '-')}"


def _add(parser: CommandParser, name: str, flag: str, info: FieldInfo) -> None:
    option = _option(info)
    kind, several = _type(info)
    if option.constants:
        _add_constants(parser.add_mutually_exclusive_group(), name, info, option)
        return
    default = _default(info)
    said = info.description or ""
    settings: dict[str, Any] = {"help": f"{said} (default: {default})" if default else said}
    choices = option.choices() if option.choices else _choices(kind)
    if kind is bool:
        parser.add_argument(flag, dest=name, action="store_true", **settings)
        return
    settings |= {"choices": list(choices)} if choices else {"type": _reader(kind)}
    if option.metavar:
        settings["metavar"] = option.metavar
    if several and not option.repeated:
        settings["nargs"] = "+"
    if option.positional:
        parser.add_argument(name, **settings)
        return
    if option.repeated:
        settings["action"] = "append"
    if info.is_required():
        settings["required"] = True
    else:
        settings["default"] = [] if option.repeated else info.get_default(call_default_factory=True)
    parser.add_argument(flag, dest=name, **settings)


def _add_constants(group: _MutuallyExclusiveGroup | _ArgumentGroup, name: str, info: FieldInfo, option: Option) -> None:
    for flag, value in option.constants.items():
        group.add_argument(
            flag, dest=name, action="store_const", const=value, default=info.get_default(), help=info.description
        )


def _type(info: FieldInfo) -> tuple[Any, bool]:
    """Return the type of one value, with what validates it, and whether there may be several."""
    kind: Any = info.annotation
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
    if get_origin(kind) is tuple:
        return get_args(kind)[0], True
    checks = [one for one in info.metadata if not isinstance(one, Option)]
    return (Annotated[(kind, *checks)] if checks else kind), False


def _choices(kind: Any) -> list[str]:
    if get_origin(kind) is Literal:
        return [str(one) for one in get_args(kind)]
    return [str(one.value) for one in kind] if isinstance(kind, type) and issubclass(kind, Enum) else []


def _reader(kind: Any) -> Callable[[str], Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def read(text: str) -> Any:
        try:
            return adapter.validate_python(text)
        except ValidationError as error:
            raise ArgumentTypeError("; ".join(message_of(one) for one in error.errors())) from error

    return read


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True)
    if info.is_required() or value in (None, "", False, ()) or isinstance(value, bool):
        return ""
    if isinstance(value, tuple):
        return " ".join(str(one) for one in value)
    return str(value) if isinstance(value, str | int | float | Path | Shard | Where | Enum) else ""
