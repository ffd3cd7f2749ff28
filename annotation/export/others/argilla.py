"""A folder for `argilla.Dataset.from_disk`."""

import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from annotation.export.others.streams import json_list
from annotation.export.others.units import RatedUnit, ToolQuestion, plain
from annotation.models import Study

HOW = (
    "`argilla.Dataset.from_disk(FOLDER, workspace=…)` makes the data set on your server. Argilla keeps answers of "
    "users that it knows alone: make those of `users.json` first, with the ids given there."
)
LOSES = ("The numbers of a scale: its points are labels, so Argilla takes them for unordered.",)


def argilla_write(study: Study, units: Iterable[RatedUnit], questions: list[ToolQuestion], folder: Path) -> int:
    """Write settings, records and users into `folder`; return the number of records."""
    hidden, users = folder / ".argilla", dict[str, str]()
    hidden.mkdir()
    name = f"{study.slug}-v{study.version}"
    _write(hidden / "dataset.json", {"name": name, "guidelines": study.instructions, "allow_extra_metadata": True})
    codes = list(study.arms.order_by("code").values_list("code", flat=True))
    _write(hidden / "settings.json", _settings(study, questions, codes))
    count = json_list(folder / "records.json", (_record(study, unit, users) for unit in units))
    _write(folder / "users.json", [{"username": code.lower(), "id": users[code]} for code in sorted(users)])
    return count


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _settings(study: Study, questions: list[ToolQuestion], codes: list[str]) -> dict[str, Any]:
    shown = {"prompt": "Prompt", "persona": "Persona", **{plain(code): code for code in codes}}
    return {
        "guidelines": study.instructions,
        "fields": [
            {"name": name, "title": title, "required": True, "settings": {"type": "text", "use_markdown": False}}
            for name, title in shown.items()
        ],
        "questions": [_question(question) for question in questions],
        "vectors": [],
        "metadata": [],
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": max(1, study.raters_per_item)},
        "mapping": None,
    }


def _question(question: ToolQuestion) -> dict[str, Any]:
    options = [{"value": value, "text": words, "description": None} for value, words in question.options]
    return {
        "name": question.name,
        "title": f"{question.text} ({question.arm})" if question.arm else question.text,
        "description": None,
        "required": True,
        "settings": {"type": "label_selection", "options": options, "visible_options": None},
    }


def _record(study: Study, unit: RatedUnit, users: dict[str, str]) -> dict[str, Any]:
    responses: dict[str, list[dict[str, str]]] = {}
    for code, answers in unit.answers.items():
        user = users.setdefault(code, str(uuid.uuid5(uuid.NAMESPACE_URL, f"{study.slug}/{study.version}/{code}")))
        for name, value in answers.items():
            responses.setdefault(name, []).append({"value": value, "user_id": user, "status": "submitted"})
    texts = {plain(code): text for code, text in unit.outputs.items()}
    return {
        "id": unit.key,
        "fields": {"prompt": unit.prompt, "persona": unit.persona, **texts},
        "metadata": {"item": unit.item, "study": study.slug, "protocol_hash": study.protocol_hash},
        "suggestions": {},
        "responses": responses,
        "vectors": {},
    }
