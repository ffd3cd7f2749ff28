"""A Potato project: its configuration, its items, and a state for each annotator."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from annotation.export.others.streams import jsonl_list
from annotation.export.others.units import RatedUnit, ToolQuestion, plain
from annotation.models import Study

HOW = "`potato start FOLDER/config.yaml` opens the project with the answers in it, one annotator for each participant."
LOSES = (
    "The texts of an item stand in one text; their parts are fields beside it, which the page does not show.",
    "Images of prompts on the page, where words say what they show; the files are in `images/`.",
)


def potato_write(study: Study, units: Iterable[RatedUnit], questions: list[ToolQuestion], folder: Path) -> int:
    """Write the project into `folder`; return the number of items."""
    title = f"{study.slug} v{study.version}"
    (folder / "config.yaml").write_text(
        yaml.safe_dump(_project(title, questions), sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    words = {question.name: dict(question.options) for question in questions}
    states: dict[str, dict[str, list[Any]]] = defaultdict(dict)
    count = jsonl_list(folder / "items.jsonl", _items(units, words, states))
    for code, answers in states.items():
        place = folder / "annotation_output" / code
        place.mkdir(parents=True)
        (place / "user_state.json").write_text(
            json.dumps(_state(code, title, answers), ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
    return count


def _project(title: str, questions: list[ToolQuestion]) -> dict[str, Any]:
    return {
        "annotation_task_name": title,
        "task_dir": ".",
        "output_annotation_dir": "annotation_output",
        "data_files": ["items.jsonl"],
        "item_properties": {"id_key": "id", "text_key": "text"},
        "user_config": {"allow_all_users": True, "users": []},
        "annotation_schemes": [
            {
                "annotation_type": "radio",
                "name": question.name,
                "description": f"{question.text} ({question.arm})" if question.arm else question.text,
                "labels": [words for _, words in question.options],
            }
            for question in questions
        ],
    }


def _items(
    units: Iterable[RatedUnit], words: dict[str, dict[str, str]], states: dict[str, dict[str, list[Any]]]
) -> Iterator[dict[str, Any]]:
    """Yield the items; what was answered about each goes into `states` meanwhile."""
    for unit in units:
        for code, answers in unit.answers.items():
            states[code][unit.key] = [
                [{"schema": name, "name": words[name][value]}, "true"] for name, value in answers.items()
            ]
        image = {"Image": unit.image_alt} if unit.image_file else {}
        parts = {"Prompt": unit.prompt, **image, "Persona": unit.persona, **unit.outputs}
        yield {
            "id": unit.key,
            "text": "\n\n".join(f"{name}:\n{text}" for name, text in parts.items()),
            "item": unit.item,
            "prompt": unit.prompt,
            "image_file": unit.image_file,
            "persona": unit.persona,
            **{plain(code): text for code, text in unit.outputs.items()},
        }


def _state(code: str, title: str, answers: dict[str, list[Any]]) -> dict[str, Any]:
    return {
        "user_id": code,
        "max_assignments": -1,
        "instance_id_ordering": list(answers),
        "current_instance_index": 0,
        "current_phase_and_page": ["annotation", title],
        "completed_phase_and_pages": [],
        "instance_id_to_label_to_value": answers,
        "instance_id_to_span_to_value": {},
        "phase_to_page_to_label_to_value": {},
        "phase_to_page_to_span_to_value": {},
    }
