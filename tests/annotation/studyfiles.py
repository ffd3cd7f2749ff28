"""A study file that is right, to be spoilt one place at a time."""

from pathlib import Path
from typing import Any

import yaml

from annotation.studyfile import StudyDefinition, StudyFileError, read_study_file


def study_data(**changes: Any) -> dict[str, Any]:
    """Return the content of a valid study file: two arms, one rating, two items with a persona and one without."""
    return {
        "slug": "small",
        "title": "A small study",
        "kind": "output_rating",
        "consent": "Taking part is voluntary.",
        "instructions": "Rate both.",
        "debrief": "Thank you.",
        "aspects": [rating_aspect()],
        "arms": 2,
        "design": {"given_personas_per_participant": 1, "written_personas_per_participant": 1, "seed": 5},
        "items": [
            {"id": "tea", "prompt": "How do I make tea?", "persona": "The user is thirsty and prefers speed."},
            {"id": "soup", "prompt": "How do I make soup?", "persona": "The user is a cook and prefers depth."},
            {"id": "rest", "prompt": "How do I rest?", "stratum": "health"},
        ],
        **changes,
    }


def rating_aspect(**changes: Any) -> dict[str, Any]:
    """Return a rating with three points."""
    return {
        "key": "fit",
        "name": "Fit",
        "question": "Does it fit?",
        "scale": {1: "No.", 2: "Half", 3: "Yes."},
        **changes,
    }


def write(folder: Path, data: dict[str, Any]) -> Path:
    """Write a study file and return its path."""
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def definition(folder: Path, **changes: Any) -> StudyDefinition:
    """Return the definition that a valid file with these changes gives."""
    return read_study_file(write(folder, study_data(**changes)))


def complaints(path: Path) -> list[str]:
    """Return what is wrong with a file, one line each, without the folder it lies in."""
    try:
        read_study_file(path)
    except StudyFileError as error:
        return [str(problem).replace(f"{path.parent}/", "") for problem in error.problems]
    return []


def assessment_data(**changes: Any) -> dict[str, Any]:
    """Return the content of a valid persona assessment without responses: two items, four scales."""
    data = study_data(
        kind="persona_assessment",
        preset="persona_assessment",
        show_responses=False,
        design={"given_personas_per_participant": 2, "raters_per_item": 3, "seed": 5},
        items=study_data()["items"][:2],
    )
    for key in ("aspects", "arms"):
        del data[key]
    return {**data, **changes}
