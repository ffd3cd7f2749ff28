"""Whether a LoRA adapter fits the base it is to stand on, as far as their files show. Loads no weights of the base."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from modelhub.engines.base import EngineError
from modelhub.engines.digests import base_problem, base_unknown
from modelhub.engines.modelfiles import lora_rank, read_json
from modelhub.engines.weights import adapter_gaps, load_errors, not_whole, some, stored_tensors, whole_model

_ADAPTER = "adapter_model.safetensors"
_PART = re.compile(r"^base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight$")
_LARGEST_HEAD = 100_000_000  # bytes; what the format allows

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class _Part:
    """One half of what an adapter adds to a module: A takes the module's inputs, B gives its outputs."""

    module: str
    side: str
    shape: tuple[int, ...]


def check_adapter(adapter: str, base: str) -> None:
    """Raise EngineError for an adapter of another base, or one that does not fit it whole, as far as both are here."""
    if not (base and Path(adapter or "?").is_dir()):
        return
    if problem := base_problem(adapter, base):
        raise EngineError(problem)
    if problems := _head_problems(Path(adapter), Path(base)) or _gap_problems(adapter, base):
        raise EngineError("\n".join(problems))


def check_trained(adapter: str) -> None:
    """Raise EngineError for an adapter in a folder here all of whose products are 0, as training begins with."""
    if not Path(adapter or "?").is_dir() or find_spec("peft") is None:
        return
    from peft import load_peft_weights

    tensors = load_peft_weights(adapter, device="cpu")
    outer = [one for name, one in tensors.items() if ".lora_B." in name or ".lora_embedding_B" in name]
    inner = [name for name in tensors if ".lora_A." in name or ".lora_embedding_A" in name]
    if len(outer) + len(inner) == len(tensors) and not any(bool(one.any()) for one in outer):
        raise EngineError(changes_nothing(adapter))


def changes_nothing(adapter: str) -> str:
    """Return the message for an adapter that leaves its base as it is."""
    return (
        f"The adapter {adapter} changes nothing: it is not trained. Register the base without an adapter, or train it "
        "(--no-try registers it as it is)."
    )


def adapter_notes(adapter: str, base: str) -> list[str]:
    """Return what looks strange in an adapter's folder, or cannot be known."""
    if not Path(adapter or "?").is_dir():
        return [f"Whether the adapter {adapter} was trained on {base} is unknown: it is not here."] if adapter else []
    unknown = base_unknown(adapter, base)
    return [*_strange(Path(adapter), Path(base)), *([unknown] if unknown else [])]


def check_model(name: str) -> None:
    """Raise EngineError for a model folder whose files hold too little or too much, as far as transformers knows it."""
    if not _base_shapes(Path(name)):
        return
    unknown: tuple[type[Exception], ...] = (*load_errors(), ImportError)
    try:
        whole_model(name, device_map="meta", local_files_only=True)
    except unknown:
        return  # of a kind that transformers does not know; vLLM may


def _head_problems(adapter: Path, base: Path) -> list[str]:
    """Return what the heads of files in the safetensors format tell, in the words that help most."""
    if not (adapter / _ADAPTER).is_file():
        return []
    parts = list(_parts(tensor_shapes(adapter / _ADAPTER)))
    base_shapes = _base_shapes(base)
    if not parts:
        return [f"The adapter {adapter} holds no weights of a LoRA adapter."]
    return [*_rank_problems(adapter, parts), *_shape_problems(adapter, parts, base_shapes)]


def _gap_problems(adapter: str, base: str) -> list[str]:
    """Return what is missing or left over when a model of the base's kind, without weights, takes the adapter."""
    if find_spec("peft") is None:
        return []  # where vLLM alone is installed
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(base, local_files_only=True)
    except (OSError, ValueError):
        return []  # it is not here; whoever loads it looks
    try:
        gaps = adapter_gaps(adapter, config, stored_tensors(adapter))
    except load_errors() as error:
        return [f"The adapter {adapter} cannot be put into a model like {base}: {error}"]
    return [not_whole(adapter, gaps)] if gaps else []


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors in a safetensors file; raise EngineError if its head or its length is wrong."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            head = json.loads(file.read(size if size <= _LARGEST_HEAD else 0))
        tensors = {name: one for name, one in head.items() if name != "__metadata__"}
        end = max((one["data_offsets"][1] for one in tensors.values()), default=0)
        shapes = {name: tuple(map(int, one["shape"])) for name, one in tensors.items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise EngineError(f"{path} is no file of weights that can be read ({type(error).__name__}).") from error
    if path.stat().st_size < 8 + size + end:
        raise EngineError(f"{path} is cut off: it was not copied to its end.")
    return shapes


def _parts(shapes: Shapes) -> Iterator[_Part]:
    for name, shape in shapes.items():
        match = _PART.match(name)
        if match and len(shape) == 2:
            yield _Part(match["module"], match["side"], shape)


def _base_shapes(base: Path) -> Shapes:
    """Return the shapes of a base's weights; none where they are not here, or packed so that shapes say nothing."""
    if not base.is_dir() or "quantization_config" in read_json(base / "config.json"):
        return {}
    index = base / "model.safetensors.index.json"
    names = set(read_json(index).get("weight_map", {}).values()) or {"model.safetensors"}
    files = [base / name for name in sorted(names)]
    if index.is_file() and (missing := [file.name for file in files if not file.is_file()]):
        raise EngineError(f"The model folder {base} lacks {', '.join(missing)}, which its index names.")
    return {name: shape for file in files if file.is_file() for name, shape in tensor_shapes(file).items()}


def _rank_problems(adapter: Path, parts: list[_Part]) -> list[str]:
    most, said = max(one.shape[0 if one.side == "A" else 1] for one in parts), lora_rank(adapter)
    if most == said:
        return []
    return [f"The weights of the adapter {adapter} have rank {most}, and its adapter_config.json says {said}."]


def _shape_problems(adapter: Path, parts: list[_Part], base: Shapes) -> list[str]:
    # A base may be stored under other names than its modules have; then nothing can be compared.
    known = [one for one in parts if f"{one.module}.weight" in base]
    if not known:
        return []
    missing = sorted({one.module for one in parts} - {one.module for one in known})
    wrong = sorted({one.module for one in known if not _fits(one, base[f"{one.module}.weight"])})
    problems = []
    if missing:
        problems.append(f"The adapter {adapter} changes modules that the base does not have: {some(missing)}.")
    if wrong:
        problems.append(f"The adapter {adapter} is of a model of another size: its shapes differ in {some(wrong)}.")
    return problems


def _fits(part: _Part, weight: tuple[int, ...]) -> bool:
    """Whether the half has the module's inputs or outputs; a weight is (outputs, inputs), or turned in old models."""
    wide = part.shape[1] if part.side == "A" else part.shape[0]
    return len(weight) != 2 or wide in weight


def _strange(adapter: Path, base: Path) -> list[str]:
    said = str(read_json(adapter / "adapter_config.json").get("base_model_name_or_path") or "")
    if not said:
        return [f"The adapter {adapter} does not say which model it was trained on."]
    if said.rstrip("/").rpartition("/")[2].casefold() == base.name.casefold():
        return []
    return [f"The adapter {adapter} was trained on {said}, as it says itself, and is to stand on {base}."]
