"""Whether disk and GPU have room for a training, before hours go into it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from annotation.errors import ServiceError
from modelhub.training.config import LoraSettings
from modelhub.training.loading import load_tokenizer, lora_config, on_gpu, weights_type

# Two checkpoints are kept, the best and the newest, and a third stands beside them while it is written.
_CHECKPOINTS = 3
_FLOAT = 4  # bytes; adapters are trained in float32 whatever the base is in
_MARGIN = 1.2
_SMALL_FILES = 100 * 2**20  # bytes for the tokenizer in every checkpoint, states, and the logs


@dataclass(frozen=True)
class Sizes:
    """Numbers of parameters."""

    base: int
    adapter: int


def model_sizes(base: str, lora: LoraSettings) -> Sizes:
    """Return the parameters of the base and of the adapter, from the configuration alone: no weights are read.

    Raises ServiceError if the base is no causal language model or has none of the modules to be adapted.
    """
    import torch
    from peft import get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base))
            count = sum(one.numel() for one in model.parameters())
            adapted = get_peft_model(model, lora_config(lora))
    except (OSError, ValueError, KeyError) as error:
        raise ServiceError(
            f"{base} cannot be given an adapter: {error} If modules are the matter, try lora.target_modules=all-linear."
        ) from error
    return Sizes(count, sum(one.numel() for one in adapted.parameters() if one.requires_grad))


def check_disk(folder: Path, needed: int) -> None:
    """Raise ServiceError unless the disk of `folder` has `needed` bytes left."""
    existing = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise ServiceError(
            f"{existing} has {gigabytes(free)} left, and about {gigabytes(needed)} are needed. Free some, or choose "
            "another folder with --out."
        )


def training_bytes(sizes: Sizes) -> int:
    """Return the bytes that a training writes: checkpoints with their optimizer's two moments, and the adapter."""
    adapter = sizes.adapter * _FLOAT
    return int(_MARGIN * (_CHECKPOINTS * 3 * adapter + adapter)) + _SMALL_FILES


def check_memory(sizes: Sizes, *, precision: str, reference: bool) -> None:
    """Raise ServiceError if the weights and the optimizer alone do not fit on the GPU; activations come on top.

    `reference`: a frozen copy of the adapter is held beside it.
    """
    import torch

    if not on_gpu():
        return
    weights = sizes.base * weights_type(precision).itemsize
    # The adapter, its gradient and two moments.
    needed = weights + sizes.adapter * _FLOAT * (5 if reference else 4)
    free, _ = torch.cuda.mem_get_info()
    if free < needed:
        raise ServiceError(
            f"The GPU has {gigabytes(free)} left, and weights and optimizer alone need {gigabytes(needed)}. Use a "
            "smaller base, a larger GPU, or several with FSDP (deploy/accelerate/fsdp.yaml)."
        )


def check_tokenizer_fits(base: str) -> None:
    """Raise ServiceError if the tokenizer has tokens that the base has no embedding for."""
    from transformers import AutoConfig

    size = AutoConfig.from_pretrained(base).get_text_config().vocab_size
    tokens = len(load_tokenizer(base))
    if tokens > size:
        raise ServiceError(f"The tokenizer of {base} has {tokens} tokens, and the model knows {size}.")


def gigabytes(size: float) -> str:
    """Return a number of bytes as people read it."""
    return f"{size / 2**30:.1f} GB"
