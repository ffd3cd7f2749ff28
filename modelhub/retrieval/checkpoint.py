"""Find a retriever, ColBERT's checkpoint or a sentence encoder, and say whether it can be used, before it is loaded.

colbert-ai puts random numbers in place of a projection that is missing, runs code that a checkpoint brings along, and
falls back to another model where it does not know the class. All three would pass for retrieval, so they are refused.
"""

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from annotation.errors import ServiceError
from modelhub.retrieval.sentences import is_sentence_encoder, sentence_problems
from modelhub.systems.registering import content_digest

PROJECTION = "linear.weight"
METADATA = "artifact.metadata"
COLBERT, SENTENCE_ENCODER = "colbert", "sentence-encoder"
PACKAGES = {COLBERT: ("torch", "transformers", "colbert", "faiss"), SENTENCE_ENCODER: ("torch", "transformers")}
_SHOWN_DIGITS = 12


@dataclass(frozen=True)
class CheckpointFiles:
    """A checkpoint on this machine: where, how it was named, the SHA-256 over its files, and what kind it is."""

    folder: Path
    name: str
    digest: str
    kind: str = COLBERT

    @property
    def retriever(self) -> str:
        """What rows that were retrieved with it say."""
        return f"{self.kind}:{self.digest[:_SHOWN_DIGITS]}"


def find_checkpoint(name: str) -> CheckpointFiles:
    """Return the checkpoint in a folder, or that of this Hub name, which is downloaded if it is not here yet.

    Raises ServiceError listing what is missing or unknown; and for packages that are not installed.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        _check_packages(COLBERT)
    folder = folder.resolve() if folder.is_dir() else _download(name)
    kind = SENTENCE_ENCODER if is_sentence_encoder(folder) else COLBERT
    _check_packages(kind)
    problems = _problems(folder, kind)
    if problems:
        named = "ColBERT checkpoint" if kind == COLBERT else "sentence encoder"
        raise ServiceError(f"{name} is no {named} that can be used: {'; '.join(problems)}.")
    return CheckpointFiles(folder, name, content_digest(str(folder)), kind)


def _check_packages(kind: str) -> None:
    missing = [package for package in PACKAGES[kind] if find_spec(package) is None]
    if missing:
        raise ServiceError(
            f"Retrieval needs {', '.join(missing)}, not installed here. Install with: "
            "pip install -r requirements-ml.txt"
        )


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name))
    except HFValidationError as error:
        raise ServiceError(f"There is no folder {name}.") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ServiceError(
            f"There is no folder {name}, and the Hub did not give a checkpoint of this name ({type(error).__name__}). "
            "Give the path of a folder, or download the checkpoint first."
        ) from error


def _problems(folder: Path, kind: str) -> list[str]:
    wanted = ("config.json", METADATA) if kind == COLBERT else ("config.json",)
    config = _json(folder / "config.json")
    problems = [f"{name} is missing or unreadable" for name in wanted if not _json(folder / name)]
    if config and config.get("auto_map"):
        problems.append("it brings its own program code (auto_map in config.json), which is not run")
    elif config and not _is_known(str(config.get("model_type", ""))):
        problems.append(f"transformers has no model of the type {config.get('model_type')!r} (config.json)")
    names = _weight_names(folder)
    if not names:
        problems.append("there are no weights in it (model.safetensors or pytorch_model.bin)")
    elif kind == COLBERT and PROJECTION not in names:
        problems.append(f"its weights have no {PROJECTION}, so that every load would make up another one")
    return problems + (sentence_problems(folder) if kind == SENTENCE_ENCODER else [])


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_known(model_type: str) -> bool:
    """Return whether the library has the two classes that colbert-ai puts a model of this type together from."""
    import transformers

    wanted = model_type.replace("-", "").lower()
    names = {name.lower() for name in dir(transformers)}
    # For this type colbert-ai defines the second class itself.
    return bool(wanted) and f"{wanted}model" in names and (
        f"{wanted}pretrainedmodel" in names or model_type == "xlm-roberta"
    )  # fmt: skip


def _weight_names(folder: Path) -> set[str]:
    """Return the names of the stored tensors; the tensors stay on disk."""
    for index in ("model.safetensors.index.json", "pytorch_model.bin.index.json"):
        if shards := _json(folder / index):
            return set(shards.get("weight_map", {}))
    if (path := folder / "model.safetensors").is_file():
        from safetensors import safe_open

        with safe_open(path, framework="pt") as weights:
            return set(weights.keys())
    if (path := folder / "pytorch_model.bin").is_file():
        import torch

        return set(torch.load(path, map_location="cpu", weights_only=True, mmap=True))
    return set()
