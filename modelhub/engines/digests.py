"""Which model a folder holds, by its files, and whether an adapter was trained on it. Pure; loads no weights."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from annotation.rowfiles import file_sha256
from modelhub.engines.base import EngineError, EngineSettings
from modelhub.engines.modelfiles import read_json

MANIFEST = "training.json"
JOB = "training-job.json"
ADAPTER_CONFIG = "adapter_config.json"
WHOLE_DIGEST = "model_digest"  # in the manifest of a training that changed all weights of its base
_HUB = "hub:"
# What makes a model, as opposed to what is said about it.
_MODEL_FILES = {".safetensors", ".bin", ".model", ".jinja", ".txt", ".json"}


def model_digest(name: str) -> str:
    """Return the SHA-256 over the files of a model or adapter folder; a Hub name stands for itself.

    Manifests, model cards and checkpoints are no part of it. `adapter_config.json` counts without the path of its
    base, so that a model may move.
    """
    folder = Path(name)
    if not folder.is_dir():
        return f"{_HUB}{name}"
    files = sorted(
        path for path in folder.iterdir() if path.suffix in _MODEL_FILES and path.name not in (MANIFEST, JOB)
    )
    return digest_of({path.name: _part_digest(path) for path in files})


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8")).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, read once per process and state: weights take minutes to read."""
    status = path.stat()
    return _cached_digest(path.resolve(), status.st_mtime_ns, status.st_size)


def trained_on(adapter: str) -> str:
    """Return the digest of the base that an adapter's own manifest names; empty where it has none.

    Raises EngineError for a manifest that cannot be read.
    """
    base = read_json(Path(adapter) / MANIFEST).get("base")
    said = base.get("digest") if isinstance(base, dict) else read_json(Path(adapter) / JOB).get("base_digest")
    return said if isinstance(said, str) else ""


def base_problem(adapter: str, base: str) -> str:
    """Return why the base is not the one that the adapter was trained on; empty where it is, or nobody can tell."""
    known = trained_on(adapter)
    if not known:
        return ""
    here = model_digest(base)
    if known == here or known.startswith(_HUB) != here.startswith(_HUB):
        return ""
    return (
        f"{base} is not the base that the adapter was trained on: its files differ (digest {_short(here)} here, "
        f"{_short(known)} in {adapter})."
    )


def check_base_of(settings: EngineSettings) -> None:
    """Raise EngineError for a system whose adapter was trained on another base, or whose model is not as trained."""
    if settings.adapter and (problem := base_problem(settings.adapter, settings.model)):
        raise EngineError(problem)
    if problem := trained_problem(settings.model):
        raise EngineError(problem)


def trained_problem(model: str) -> str:
    """Return why a folder is not the whole model that a training here wrote; empty where it is, or is another's."""
    folder = Path(model or "?")
    manifest = read_json(folder / MANIFEST)
    if not manifest:
        begun = read_json(folder / JOB)
        return f"The training of {model} has begun and is not finished (no {MANIFEST})." if begun else ""
    said, here = manifest.get(WHOLE_DIGEST), model_digest(model)
    if not isinstance(said, str) or said == here:
        return ""
    return (
        f"{model} is not the model that was trained there: its files differ (digest {_short(here)} here, "
        f"{_short(said)} in {MANIFEST}). Restore them, or train it again."
    )


def base_unknown(adapter: str, base: str) -> str:
    """Return why nobody can tell whether the adapter was trained on this base; empty where its digest tells."""
    known = trained_on(adapter)
    if not known:
        return f"Whether the adapter {adapter} was trained on {base} is unknown: it has no {MANIFEST} with a digest."
    if known.startswith(_HUB) != model_digest(base).startswith(_HUB):
        return (
            f"Whether the adapter {adapter} was trained on {base} is unknown: a name on the Hub and the files of a "
            "folder cannot be compared."
        )
    return ""


def _short(digest: str) -> str:
    return digest if digest.startswith(_HUB) else digest[:12]


def _part_digest(path: Path) -> str:
    if path.name == ADAPTER_CONFIG:
        # Sets of modules are written in any order.
        values = {k: sorted(v) if isinstance(v, list) else v for k, v in read_json(path).items()}
        return digest_of({k: v for k, v in values.items() if k != "base_model_name_or_path"})
    return file_digest(path)


@lru_cache(maxsize=1024)
def _cached_digest(path: Path, mtime_ns: int, size: int) -> str:
    return file_sha256(path)
