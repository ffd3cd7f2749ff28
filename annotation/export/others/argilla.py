"""A folder for `argilla.Dataset.from_disk`."""

import base64
import json
import mimetypes
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from annotation.export.images import ItemImages
from annotation.export.others.streams import json_list
from annotation.export.others.units import RatedUnit, ToolQuestion, plain
from annotation.models import Study

HOW = (
    "`argilla.Dataset.from_disk(FOLDER, workspace=…)` makes the data set on your server. Argilla keeps answers of "
    "users that it knows alone: make those of `users.json` first, with the ids given there. An image stands in the "
    "record itself; `images/` holds the files."
)
LOSES = ("The numbers of a scale: its points are labels, so Argilla takes them for unordered.",)


def argilla_write(study: Study, units: Iterable[RatedUnit], questions: list[ToolQuestion], folder: Path) -> int:
    """Write settings, records and users into `folder`; return the number of records."""
    hidden, users = folder / ".argilla", dict[str, str]()
    hidden.mkdir()
    name = f"{study.slug}-v{study.version}"
    _write(hidden / "dataset.json", {"name": name, "guidelines": study.instructions, "allow_extra_metadata": True})
    codes = list(study.arms.order_by("code").values_list("code", flat=True))
    has_images = bool(ItemImages(study).files)
    _write(hidden / "settings.json", _settings(study, questions, codes, has_images=has_images))
    records = (_record(study, unit, users, folder if has_images else None) for unit in units)
    count = json_list(folder / "records.json", records)
    _write(folder / "users.json", [{"username": code.lower(), "id": users[code]} for code in sorted(users)])
    return count


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _settings(study: Study, questions: list[ToolQuestion], codes: list[str], *, has_images: bool) -> dict[str, Any]:
    words = {"image_alt": "What the image shows"} if has_images else {}
    shown = {"prompt": "Prompt", **words, "persona": "Persona", **{plain(code): code for code in codes}}
    image = {"name": "image", "title": "Image", "required": False, "settings": {"type": "image"}}
    return {
        "guidelines": study.instructions,
        "fields": [
            *([image] if has_images else []),
            *(
                {
                    "name": name,
                    "title": title,
                    "required": name != "image_alt",
                    "settings": {"type": "text", "use_markdown": False},
                }
                for name, title in shown.items()
            ),
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


def _record(study: Study, unit: RatedUnit, users: dict[str, str], folder: Path | None) -> dict[str, Any]:
    """Return a record; in `folder` lie the images, where the study has any."""
    responses: dict[str, list[dict[str, str]]] = {}
    for code, answers in unit.answers.items():
        user = users.setdefault(code, str(uuid.uuid5(uuid.NAMESPACE_URL, f"{study.slug}/{study.version}/{code}")))
        for name, value in answers.items():
            responses.setdefault(name, []).append({"value": value, "user_id": user, "status": "submitted"})
    texts = {plain(code): text for code, text in unit.outputs.items()}
    if folder is not None and unit.image_file:
        texts |= {"image": _data_address(folder / unit.image_file), "image_alt": unit.image_alt}
    return {
        "id": unit.key,
        "fields": {"prompt": unit.prompt, "persona": unit.persona, **texts},
        "metadata": {"item": unit.item, "study": study.slug, "protocol_hash": study.protocol_hash},
        "suggestions": {},
        "responses": responses,
        "vectors": {},
    }


def _data_address(path: Path) -> str:
    """Return an image as an address that holds it: the folder may be read from anywhere."""
    media_type, _ = mimetypes.guess_type(path.name)
    return f"data:{media_type};base64,{base64.b64encode(path.read_bytes()).decode()}"
