"""What stands beside every trained adapter or model: from what, on what and how it was trained. Pure.

`training-job.json` is written when training begins: it says whether an unfinished folder belongs to the same job.
`training.json` is written last: a folder that has it is finished.
"""

import json
import os
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from annotation.errors import ServiceError
from modelhub.engines.digests import JOB, MANIFEST, WHOLE_DIGEST, model_digest

CHECKPOINTS = "checkpoints"
CURVES = "curves"  # where TensorBoard reads them
_PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets")


def hub_revision(name: str) -> str:
    """Return the commit of a model on the Hub as it lies in the Hub's cache; empty for a folder or where none does.

    It is what a later run has to fetch for the same weights: a name alone stands for whatever is published by then.
    """
    from huggingface_hub import try_to_load_from_cache

    found = None if Path(name).is_dir() else try_to_load_from_cache(name, "config.json")
    return Path(found).parent.name if isinstance(found, str) else ""  # …/snapshots/<commit>/config.json


def base_entry(name: str) -> dict[str, str]:
    """Return what a manifest says of the base: where it is, its digest and, from the Hub, its commit."""
    place = str(Path(name).resolve()) if Path(name).is_dir() else name
    revision = hub_revision(name)
    return {"name": place, "digest": model_digest(name)} | ({"revision": revision} if revision else {})


def versions() -> dict[str, str]:
    """Return the versions of the packages that training rests on."""
    return {name: metadata.version(name) for name in _PACKAGES}


def is_trained_here(folder: Path) -> bool:
    """Return whether a folder says that it was trained by these commands, finished or not."""
    return any((folder / name).is_file() for name in (MANIFEST, JOB))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what `training.json` says; raise ServiceError if the folder is no finished training."""
    path = folder / MANIFEST
    if not path.is_file():
        unfinished = " Its training has begun and is not finished." if (folder / JOB).is_file() else ""
        raise ServiceError(f"{folder} has no {MANIFEST}: it holds no finished training.{unfinished}")
    manifest = read_json(path)
    if not (isinstance(manifest.get("kind"), str) and isinstance(manifest.get("base"), dict)):
        raise ServiceError(f"{path} does not say what was trained on which base; take the file that training wrote.")
    return manifest


def is_whole_model(manifest: Mapping[str, Any]) -> bool:
    """Return whether a training changed all weights of its base, so that its folder holds a model and no adapter."""
    return WHOLE_DIGEST in manifest


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a file whole or not at all."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    half.replace(path)


def differences(before: Mapping[str, Any], now: Mapping[str, Any], at: str = "") -> list[str]:
    """Return in which values two descriptions differ, one line each."""
    lines = []
    for key in sorted({*before, *now}):
        one, other = before.get(key), now.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            lines += differences(one, other, f"{at}{key}.")
        elif one != other:
            lines.append(f"- {at}{key}: {_shown(one)} there, {_shown(other)} here")
    return lines


def _shown(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; raise ServiceError if there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ServiceError(f"{path} cannot be read: {error}.") from error
    if not isinstance(value, dict):
        raise ServiceError(f"{path} is no JSON object.")
    return value


def read_job(folder: Path) -> dict[str, Any] | None:
    """Return the job that a folder was begun for, None if there is none."""
    return read_json(folder / JOB) if (folder / JOB).is_file() else None
