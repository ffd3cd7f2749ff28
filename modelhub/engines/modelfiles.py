"""Look at the files of a model or an adapter without loading them. Names that are no path are taken for Hub names."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelhub.engines.base import EngineError, EngineSettings
from modelhub.engines.decoding import Decoding

_HUB_NAME = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)?", re.ASCII)
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")
_ADAPTERS = ("adapter_model.safetensors", "adapter_model.bin")


def check_files(settings: EngineSettings, decoding: Decoding) -> None:
    """Raise EngineError listing everything that is wrong with the model and the adapter as far as their files show."""
    problems = _problems("model", settings.model, lambda folder: _model_problems(folder, chat=decoding.chat))
    if settings.adapter:
        problems += _problems("adapter", settings.adapter, _adapter_problems)
    if settings.endpoint:
        problems.append("An endpoint is given, but this engine loads the model itself; leave it out.")
    if problems:
        raise EngineError("\n".join(problems))


def _problems(what: str, name: str, look: Callable[[Path], list[str]]) -> list[str]:
    folder = Path(name)
    if name and folder.is_dir():
        return look(folder)
    if name and folder.exists():
        return [f"The {what} {name} is a file; give the folder that holds it."]
    if _HUB_NAME.fullmatch(name):
        return []
    return [f"There is no {what} folder {name!r}, and it is no name on the Hub (such as owner/name) either."]


def _model_problems(folder: Path, *, chat: bool) -> list[str]:
    problems = []
    if (folder / "config.json").is_file() and (folder / "adapter_config.json").is_file():
        problems.append(
            f"The model folder {folder} holds an adapter too (adapter_config.json), which would be loaded along with "
            "it, unasked. Give each a folder of its own."
        )
    if not (folder / "config.json").is_file():
        adapter = " It is an adapter: give its base as the model." if (folder / "adapter_config.json").is_file() else ""
        problems.append(f"The model folder {folder} has no config.json.{adapter}")
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        problems.append(f"The model folder {folder} has no tokenizer ({', '.join(_TOKENIZERS)}).")
    elif chat and not _has_chat_template(folder):
        problems.append(no_chat_template(str(folder)))
    return problems


def no_chat_template(model: str) -> str:
    """Return the message for a model that is to chat and cannot."""
    return f"The tokenizer of {model} has no chat template, so it cannot be used with chat; decode without chat."


def _has_chat_template(folder: Path) -> bool:
    single, several = folder / "chat_template.jinja", folder / "additional_chat_templates"
    return (
        single.is_file() or several.is_dir() or bool(read_json(folder / "tokenizer_config.json").get("chat_template"))
    )


def _adapter_problems(folder: Path) -> list[str]:
    if not (folder / "adapter_config.json").is_file():
        return [f"The adapter folder {folder} has no adapter_config.json."]
    problems = []
    kind = read_json(folder / "adapter_config.json").get("peft_type")
    if kind != "LORA":
        problems.append(f"The adapter in {folder} is of the kind {kind}; only LORA adapters can be used.")
    if not any((folder / name).is_file() for name in _ADAPTERS):
        problems.append(f"The adapter folder {folder} has no weights ({' or '.join(_ADAPTERS)}).")
    return problems


def lora_rank(adapter: Path) -> int:
    """Return the largest rank in a LoRA adapter's folder; raise EngineError if its configuration cannot be read."""
    config = read_json(adapter / "adapter_config.json")
    return max([int(config.get("r", 0)), *map(int, config.get("rank_pattern", {}).values())])


def stamp(name: str) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when files below a folder do: their names, times (ns) and sizes. Empty for a Hub name."""
    files = sorted(path for path in Path(name).rglob("*") if path.is_file()) if name else []
    return tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a file, empty if there is no file; raise EngineError if it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise EngineError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise EngineError(f"{path} holds no JSON object.")
    return content
