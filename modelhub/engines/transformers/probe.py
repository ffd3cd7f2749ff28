"""Whether an adapter changes what its base answers: one that does not is the base under another name."""

import math
import sys
from pathlib import Path

from modelhub.engines.adapterfiles import changes_nothing
from modelhub.engines.base import EngineError, EngineSettings
from modelhub.engines.probing import AdapterProbe, largest_difference, probe_logits
from modelhub.engines.transformers.basemodels import load_base


def probe_adapter(settings: EngineSettings, *, dtype: str, device: str) -> AdapterProbe:
    """Return by how much an adapter changes its base's logits on a few texts.

    Raises EngineError if it changes nothing, or what it makes of them are no numbers. What is not here, or has no room
    in memory, is not loaded, and that is said.
    """
    if reason := _not_loaded(settings, device):
        return AdapterProbe(not_tried=reason)
    base = load_base(settings.model, dtype=dtype, device=device)
    with_it = probe_logits(base.view(base.load_adapter(settings.adapter)), base.tokenizer)
    difference = largest_difference(with_it, probe_logits(base.view(""), base.tokenizer))
    if difference == 0:
        raise EngineError(
            f"{changes_nothing(settings.adapter)} With it and without it, {settings.model} makes the same logits of "
            "the probe texts."
        )
    if not math.isfinite(difference):
        raise EngineError(
            f"With the adapter {settings.adapter} or without it, {settings.model} makes logits of the probe texts that "
            f"are no numbers (dtype {dtype}). Decode with another dtype, or train again with a lower learning rate."
        )
    return AdapterProbe(difference, dtype=str(base.model.dtype).removeprefix("torch."))


def _not_loaded(settings: EngineSettings, device: str) -> str:
    """Return why the base is not loaded for this; empty if it can be."""
    if not Path(settings.model).is_dir() or not Path(settings.adapter).is_dir():
        return "a name on the Hub is not downloaded for this"
    size = sum(path.stat().st_size for path in Path(settings.model).glob("*.safetensors"))
    free = _free_bytes(device)
    return f"its weights take {size:,} bytes, and {free:,} are free" if size > free else ""


def _free_bytes(device: str) -> int:
    """Return the memory that is left; where the system does not tell, as much as anything takes."""
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    told = Path("/proc/meminfo").read_text("ascii").splitlines() if Path("/proc/meminfo").is_file() else []
    kilobytes = [int(line.split()[1]) for line in told if line.startswith("MemAvailable:")]
    return kilobytes[0] * 1024 if kilobytes else sys.maxsize
