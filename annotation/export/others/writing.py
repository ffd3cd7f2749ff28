"""Write a study for another tool, with a README that says how to read it there and what is not in it."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from annotation.errors import ServiceError
from annotation.export.files import export_refusal
from annotation.export.images import ItemImages
from annotation.export.others import argilla, labelstudio, potato
from annotation.export.others.units import LOST, RatedUnit, ToolQuestion, questions_of, units_of
from annotation.export.release import Found
from annotation.models import Study

_Write = Callable[[Study, Iterable[RatedUnit], list[ToolQuestion], Path], int]
_TOOLS: dict[str, tuple[str, _Write, str, tuple[str, ...]]] = {
    "argilla": ("Argilla", argilla.argilla_write, argilla.HOW, argilla.LOSES),
    "label-studio": ("Label Studio", labelstudio.labelstudio_write, labelstudio.HOW, labelstudio.LOSES),
    "potato": ("Potato", potato.potato_write, potato.HOW, potato.LOSES),
}
OTHER_FORMATS = tuple(_TOOLS)


def other_write(
    *,
    study: Study,
    directory: Path,
    format: str,
    command: str,
    include_bots: bool = False,
    release: bool = False,
    found: Found | None = None,
) -> dict[str, int]:
    """Write `study` for the tool `format` into `directory`, which must be new or empty; return how many records.

    Raises ServiceError where the definition has changed since the study was opened, files stand in
    the way, or an image is gone.
    """
    if refusal := export_refusal(study):
        raise ServiceError(refusal)
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise ServiceError(f"{directory} is not empty. Name a new folder: what is there would be taken for part of it.")
    title, write, how, loses = _TOOLS[format]
    found = Counter() if found is None else found
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".export-") as name:
        beside = Path(name)
        ItemImages(study).write(beside)
        units = units_of(study, include_bots=include_bots, release=release, found=found)
        count = write(study, units, questions_of(study), beside)
        text = _readme(study, title, how, (*LOST, *loses), command, include_bots=include_bots, release=release)
        (beside / "README.md").write_text(text, encoding="utf-8")
        for path in sorted(beside.iterdir()):
            path.replace(directory / path.name)
    return {"records": count}


def _readme(
    study: Study, title: str, how: str, lost: tuple[str, ...], command: str, *, include_bots: bool, release: bool
) -> str:
    lines = [f"# {study.title}, for {title}", "", how, ""]
    lines += [f"- Study `{study.slug}`, version {study.version}, protocol hash `{study.protocol_hash or 'none'}`"]
    lines += [f"- Bots and previews: {'included' if include_bots else 'left out'}"]
    marks = "replaced by marks where a rule found them" if release else "as they were typed"
    lines += [f"- E-mail addresses and telephone numbers: {marks}", f"- Made by `{command}`", ""]
    lines += ["## What is not in it", "", "An export as tables has all of this.", "", *(f"- {one}" for one in lost)]
    return "\n".join(lines) + "\n"
