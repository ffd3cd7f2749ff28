"""Write a definition as a study file: reading the file gives the same definition, and the same protocol hash."""

import io
import re
import zipfile
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from annotation.elicitation.questions import DEFAULT_QUESTIONS
from annotation.models import Aspect, Study
from annotation.studyfile.aspects import aspect_data, scale_data
from annotation.studyfile.definition import AspectDefinition, ItemDefinition, PracticeDefinition, StudyDefinition
from annotation.studyfile.images import stored_image, stored_name
from annotation.studyfile.languages import in_language
from annotation.studyfile.schema import Design, StudyFile
from annotation.studyfile.schema_aspects import SLIDER, SliderAspect, SpanAspect

# Written by a function of its own below; the other sections are stored as the file has them.
_WRITTEN = ("language", "languages", "preset", "aspects", "arms", "show_responses", "design", "practice", "checks",
            "planted", "elicitation", "items")  # fmt: skip
# Line ends and blanks that YAML keeps in double quotes alone.
_NO_BLOCK = re.compile(r"[\t\x85\u2028\u2029\ufeff]")
_WIDTH = 118


def study_text(definition: StudyDefinition) -> str:
    """Return the study file that defines it, with its items written into it."""
    return file_text(file_data(definition))


def study_content(definition: StudyDefinition) -> tuple[bytes, str]:
    """Return what to download and its ending: the study file, or with images an archive that holds them beside it."""
    text = study_text(definition).encode("utf-8")
    images = {sha256: file or stored_image(sha256) for sha256, file in definition.images.items()}
    if not images:
        return text, "yaml"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("study.yaml", text)
        for sha256, image in images.items():
            if image is not None:
                archive.writestr(stored_name(sha256, image.media_type), image.data)
    return packed.getvalue(), "zip"


def file_text(data: Mapping[str, Any]) -> str:
    """Return the content of a study file as YAML: what takes several lines stands by itself."""
    written = [yaml.dump({key: value}, Dumper=_Dumper, **_LAYOUT) for key, value in data.items()]
    spaced = [written[0]] if written else []
    for above, part in pairwise(written):
        spaced.append(f"\n{part}" if "\n" in above[:-1] + part[:-1] else part)
    return "".join(spaced)


def file_data(definition: StudyDefinition) -> dict[str, Any]:
    """Return what the study file says, as YAML would be read: texts in several languages are mappings of them."""
    languages = definition.languages[1:]
    read = {code: _in_one_language(in_language(definition, code)) for code in languages}
    first = _in_one_language(definition)
    data: dict[str, Any] = _merged({definition.languages[0]: first, **read}) if read else first
    _leave_out(data)
    return _in_order(data)


def _in_one_language(definition: StudyDefinition) -> dict[str, Any]:
    """Return the sections; what has a default is left out later, when all languages are there."""
    is_rating = definition.kind == Study.Kind.OUTPUT_RATING
    types = {name: info.annotation for name, info in StudyFile.model_fields.items()}
    stored = [name for name in StudyFile.model_fields if name not in _WRITTEN]
    own = [item for item in definition.items if item.planted_part is None]
    checks = [aspect for aspect in definition.aspects if aspect.kind == Aspect.Kind.CHECK]
    aspects = [aspect for aspect in definition.aspects if aspect.kind != Aspect.Kind.CHECK]
    found = {
        **{name: _without_defaults(types[name], getattr(definition, name)) for name in stored},
        **_languages(definition.languages),
        "aspects": [aspect_data(aspect) for aspect in aspects],
        "arms": _arms(definition.arms) if is_rating else None,
        "show_responses": None if is_rating else definition.show_responses,
        "design": _design(definition),
        "practice": [_practice(entry) for entry in definition.practice],
        "checks": [_check(aspect) for aspect in checks],
        "planted": [_planted(item) for item in definition.items if item.planted_part is not None],
        "elicitation": _without_defaults(types["elicitation"], _elicitation(definition.elicitation)),
        "items": "imported" if definition.items_imported else [_item(item) for item in own],
    }
    return {name: value for name, value in found.items() if value not in (None, "", [], {}) or value is False}


def _without_defaults(kind: Any, value: Any) -> Any:
    """Return a section of this type, as it is stored, without what it would mean anyway, such as an empty list."""
    section = _section_in(kind)
    if section is None:
        return value
    if isinstance(value, list):
        return [_without_defaults(section, entry) for entry in value]
    if not isinstance(value, dict):
        return value
    fields = section.model_fields
    return {
        name: _without_defaults(fields[name].annotation, entry) if name in fields else entry
        for name, entry in value.items()
        if name not in fields or entry != fields[name].default
    }


def _section_in(kind: Any) -> type[BaseModel] | None:
    """Return the section that a type is, or is a list or a choice of."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next((found for one in get_args(kind) if (found := _section_in(one))), None)


def _languages(languages: list[str]) -> dict[str, Any]:
    if len(languages) == 1:
        return {"language": languages[0]}
    return {"languages": list(languages)} if languages else {}


def _arms(controls: list[bool]) -> int | list[dict[str, bool]]:
    return [{"control": control} for control in controls] if any(controls) else len(controls)


def _design(definition: StudyDefinition) -> dict[str, Any]:
    values = {name: getattr(definition, name) for name in Design.model_fields}
    return {name: value for name, value in values.items() if value != Design.model_fields[name].default}


def _check(aspect: AspectDefinition) -> dict[str, Any]:
    found = {
        "part": aspect.part,
        "instruction": aspect.question,
        "scale": scale_data(aspect),
        "answer": aspect.expected,
    }
    return {**found, "loud": True} if aspect.is_loud else found


def _planted(item: ItemDefinition) -> dict[str, Any]:
    texts = {"prompt": item.prompt, **_image(item), "persona": item.persona, "good": item.good, "bad": item.bad}
    return {"part": item.planted_part, "id": item.key, **texts, "aspect": item.planted_aspect}


def _practice(entry: PracticeDefinition) -> dict[str, Any]:
    return {"prompt": entry.prompt, **_image(entry), "persona": entry.persona, "responses": entry.responses}


def _elicitation(stored: dict[str, Any]) -> dict[str, Any]:
    if stored.get("questions") == [dict(question) for question in DEFAULT_QUESTIONS]:
        return {name: value for name, value in stored.items() if name != "questions"}
    return stored


def _item(item: ItemDefinition) -> dict[str, Any]:
    names = ("prompt", "persona", "stratum", "warning", "answer_start", "language")
    return {"id": item.key, **{name: getattr(item, name) for name in names}, **_image(item)}


def _image(item: ItemDefinition | PracticeDefinition) -> dict[str, Any]:
    if not item.image:
        return {}
    file = item.image_file or stored_image(item.image["sha256"])
    media_type = file.media_type if file else "image/png"
    return {"image": stored_name(item.image["sha256"], media_type), "image_alt": item.image["alt"]}


def _merged(values: dict[str, Any]) -> Any:
    """Return the values of all languages as one: a text that is another one in one of them becomes a mapping."""
    first = next(iter(values.values()))
    if isinstance(first, dict):
        return {key: _merged({code: value[key] for code, value in values.items()}) for key in first}
    if isinstance(first, list):
        return [_merged({code: value[index] for code, value in values.items()}) for index in range(len(first))]
    return first if all(value == first for value in values.values()) else values


def _leave_out(data: dict[str, Any]) -> None:
    """Leave out what says no more than what the file would mean without it."""
    for aspect in data["aspects"]:
        defaults = {"type": "rating", "level": "ordinal", "question_for_others": aspect["question"]}
        if aspect["type"] == SLIDER:
            defaults |= {name: SliderAspect.model_fields[name].default for name in ("minimum", "maximum")}
        if aspect["type"] == Aspect.Kind.SPAN:
            defaults |= {name: SpanAspect.model_fields[name].default for name in ("reason", "most")} | {"labels": {}}
        for name, default in defaults.items():
            if aspect.get(name) == default:
                del aspect[name]
    for item in data["items"] if isinstance(data["items"], list) else ():
        for name in [name for name, value in item.items() if value in (None, "")]:
            del item[name]


def _in_order(data: dict[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in StudyFile.model_fields if name in data}


class _Dumper(yaml.SafeDumper):
    """Lists stand below their key and are moved in; nothing is an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represented(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Write a text of several lines as it is read, where YAML can."""
    style = '"' if _NO_BLOCK.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represented)
_Dumper.add_multi_representer(str, lambda dumper, choice: _represented(dumper, str(choice)))
_LAYOUT: dict[str, Any] = {"allow_unicode": True, "sort_keys": False, "width": _WIDTH, "default_flow_style": False}
