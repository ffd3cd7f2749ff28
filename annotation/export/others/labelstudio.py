"""Tasks with annotations for Label Studio, and the labelling configuration that they fit."""

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from lxml import etree

from annotation.export.images import ItemImages
from annotation.export.others.streams import json_list
from annotation.export.others.units import RatedUnit, ToolQuestion, plain
from annotation.models import Study

HOW = (
    "Make a project with `label_config.xml` as its labelling interface, then import `tasks.json`. The annotations "
    "belong to whoever imports them; the text field `participant` says whose they are, and `shown_first` which arm "
    "stood first. Images lie in `images/`: start Label Studio with `LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true` and "
    "`LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT` set to this folder, and add its `images` to the project as local storage."
)
LOSES = ("The numbers of a scale: its points are choices, whose words begin with the number.",)


def labelstudio_write(study: Study, units: Iterable[RatedUnit], questions: list[ToolQuestion], folder: Path) -> int:
    """Write tasks and configuration into `folder`; return the number of tasks."""
    codes = list(study.arms.order_by("code").values_list("code", flat=True))
    config = _config(questions, codes, has_images=bool(ItemImages(study).files))
    (folder / "label_config.xml").write_bytes(etree.tostring(config, pretty_print=True))
    words = {question.name: dict(question.options) for question in questions}
    about = {question.name: plain(question.arm) or "prompt" for question in questions}
    return json_list(folder / "tasks.json", (_task(unit, words, about) for unit in units))


def _config(questions: list[ToolQuestion], codes: list[str], *, has_images: bool) -> "etree._Element":
    view = etree.Element("View")
    for name, title in {"prompt": "Prompt", "persona": "Persona", **{plain(code): code for code in codes}}.items():
        etree.SubElement(view, "Header", value=title)
        etree.SubElement(view, "Text", name=name, value=f"${name}")
        if name == "prompt" and has_images:
            etree.SubElement(view, "HyperText", name="image", value="$image", inline="true")
        for question in questions:
            if (plain(question.arm) or "prompt") == name and question.arm:
                _choices(view, question, name)
    for question in questions:
        if not question.arm:
            _choices(view, question, "prompt")
    for name in ("participant", "shown_first"):
        etree.SubElement(view, "TextArea", name=name, toName="prompt", editable="false")
    return view


def _choices(view: "etree._Element", question: ToolQuestion, name: str) -> None:
    etree.SubElement(view, "Header", value=question.text, size="5")
    choices = etree.SubElement(view, "Choices", name=question.name, toName=name, choice="single-radio")
    for _, words in question.options:
        etree.SubElement(choices, "Choice", value=words)


def _task(unit: RatedUnit, words: dict[str, dict[str, str]], about: dict[str, str]) -> dict[str, Any]:
    texts = {plain(code): text for code, text in unit.outputs.items()}
    return {
        "data": {
            "id": unit.key,
            "item": unit.item,
            "prompt": unit.prompt,
            "image": _image(unit),
            "persona": unit.persona,
            **texts,
        },
        "annotations": [
            {"result": _results(unit, code, answers, words, about), "ground_truth": False, "was_cancelled": False}
            for code, answers in unit.answers.items()
        ],
    }


def _image(unit: RatedUnit) -> str:
    """Return the image as HTML, which may be empty, as an image may not, and says what it shows."""
    if not unit.image_file:
        return ""
    return f'<img src="/data/local-files/?d={unit.image_file}" alt="{escape(unit.image_alt)}">'


def _results(
    unit: RatedUnit, code: str, answers: dict[str, str], words: dict[str, dict[str, str]], about: dict[str, str]
) -> list[dict[str, Any]]:
    chosen = [
        {"from_name": name, "to_name": about[name], "type": "choices", "value": {"choices": [words[name][value]]}}
        for name, value in answers.items()
    ]
    said = {"participant": code, **({"shown_first": unit.first[code]} if code in unit.first else {})}
    texts = [
        {"from_name": name, "to_name": "prompt", "type": "textarea", "value": {"text": [text]}}
        for name, text in said.items()
    ]
    return [{"id": f"{unit.key}-{code}-{place}", **result} for place, result in enumerate([*chosen, *texts])]
