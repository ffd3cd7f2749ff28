"""Models and adapters whose files are not what they were: copies with weights taken away, renamed or added."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Change = Callable[[dict[str, Any]], dict[str, Any]]
WEIGHTS = ("adapter_model.safetensors", "model.safetensors")


def spoiled(folder: Path, target: Path, change: Change, config: str = "", **values: Any) -> Path:
    """Return a copy of a model's or adapter's folder with other weights, and other values in its `config` file."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, target)
    file = next(target / name for name in WEIGHTS if (target / name).is_file())
    tensors = {name: one.contiguous() for name, one in change(dict(load_file(file))).items()}
    save_file(tensors, file, metadata={"format": "pt"})
    if config:
        path = target / config
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), encoding="utf-8")
    return target


def renamed(old: str, new: str) -> Change:
    return lambda tensors: {name.replace(old, new): one for name, one in tensors.items()}


def without(part: str) -> Change:
    return lambda tensors: {name: one for name, one in tensors.items() if part not in name}


def added(name: str, *shape: int) -> Change:
    import torch

    return lambda tensors: {**tensors, name: torch.zeros(shape)}


def wider(part: str) -> Change:
    def change(tensors: dict[str, Any]) -> dict[str, Any]:
        return {name: one.repeat(2, 1) if part in name else one for name, one in tensors.items()}

    return change


def same(tensors: dict[str, Any]) -> dict[str, Any]:
    return tensors
