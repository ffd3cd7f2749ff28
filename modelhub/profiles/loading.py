"""Find a profile by name, or read one from a YAML file: every mistake at once, or a complete profile."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from annotation.errors import ServiceError
from annotation.parsing import TooMuch, yaml_content
from modelhub.profiles.profile import DatasetProfile

_FOLDER = Path(__file__).parent / "builtin"
_SUFFIXES = {".yaml", ".yml"}


class _Loader(yaml.SafeLoader):
    """Safe YAML that notes keys given twice: YAML itself would silently keep the last."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.repeated: list[str] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                self.repeated.append(
                    f"- {name}: stands here twice, the second time on line {line}; keep one of the two"
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def load_profile(name_or_path: str | Path) -> DatasetProfile:
    """Return a built-in profile by its name, or the one in a YAML file.

    Names are compared without case, blanks and signs, and every built-in profile has others that it goes by:
    "Anthropic HHH" is hhh. What ends in .yaml or .yml is a path.

    Raises:
        ServiceError: if there is no such profile, or with every mistake in its file.
    """
    text = str(name_or_path)
    if Path(text).suffix.lower() in _SUFFIXES:
        return _read(Path(text))
    for profile in builtin_profiles():
        if _plain(text) in {_plain(name) for name in (profile.name, *profile.aliases)}:
            return profile
    known = ", ".join(profile.name for profile in builtin_profiles())
    raise ServiceError(
        f"There is no dataset profile {text!r}. Built in: {known}. For another dataset, give the path of a YAML file "
        "(.yaml or .yml); docs/persona-inference.md describes it."
    )


@cache
def builtin_profiles() -> tuple[DatasetProfile, ...]:
    """Return the profiles that come with the project, by name."""
    return tuple(_read(path) for path in sorted(_FOLDER.glob("*.yaml")))


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _read(path: Path) -> DatasetProfile:
    loader = _Loader(_text(path))
    try:
        _, data = yaml_content(loader)
    except (yaml.YAMLError, TooMuch) as error:
        raise ServiceError(f"The profile {path} is not readable as YAML: {error}") from error
    if not isinstance(data, dict):
        raise ServiceError(f"The profile {path} must be a mapping with the keys {_keys()}.")
    try:
        profile = DatasetProfile.model_validate(data)
        problems = loader.repeated
    except ValidationError as error:
        problems = loader.repeated + [_describe(details) for details in error.errors(include_url=False)]
    if problems:
        raise ServiceError("\n".join([f"The profile {path} has mistakes:", *problems]))
    return profile


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ServiceError(f"The profile {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ServiceError(f"The profile {path} is not in UTF-8 (byte {error.start}). Save it as UTF-8.") from error


def _keys() -> str:
    return ", ".join(field.alias or name for name, field in DatasetProfile.model_fields.items())


def _describe(details: Any) -> str:
    """Return `- exemplars[1].prompt: what is wrong`, for one error of pydantic; places count from 0."""
    place = ""
    for step in details["loc"]:
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
    messages = {
        "missing": "is missing",
        "extra_forbidden": "is unknown" if "." in place else f"is no key of a profile; these are: {_keys()}",
        "string_too_short": "is empty",
        "string_pattern_mismatch": "must be small letters, digits, - and _" if place == "name" else "must be one line",
    }
    return f"- {place}: {messages.get(details['type'], details['msg'].removeprefix('Value error, '))}"
