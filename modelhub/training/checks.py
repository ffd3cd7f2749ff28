"""Whether disk and GPU have room for a training, before hours go into it."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotation.errors import ServiceError
from modelhub.training.config import Recipe
from modelhub.training.job import processes
from modelhub.training.loading import load_tokenizer, lora_config, on_gpu, weights_type

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Two checkpoints are kept, the best and the newest, and a third stands beside them while it is written.
_CHECKPOINTS = 3
_FLOAT = 4  # bytes; what is trained is float32 whatever the base is in
_STATES = 3  # the weights and the optimizer's two moments
_MARGIN = 1.2
_SMALL_FILES = 100 * 2**20  # bytes for the tokenizer in every checkpoint, states, and the logs


_BITS_4 = 0.57  # bytes a weight: half of one, and a scale for every 64
_TOO_LITTLE = "Use a smaller base, or quantization.load_in_4bit=true, or {more} (deploy/accelerate/fsdp.yaml)."
_TOO_LITTLE_FOR_ALL = "Use a smaller base, or an adapter (lora.enabled=true), or {more} (deploy/accelerate/fsdp.yaml)."


@dataclass(frozen=True)
class Sizes:
    """Numbers of parameters: those of the base that stay frozen, and those that are trained.

    `linear` of the frozen ones are in layers that quantization makes smaller. `full`: all are trained, none frozen.
    """

    frozen: int
    trained: int
    linear: int = 0
    full: bool = False


def model_sizes(base: str, recipe: Recipe) -> Sizes:
    """Return the parameters of the base and of what is trained, from the configuration alone: no weights are read.

    Raises ServiceError if the base is no causal language model or has none of the modules to be adapted.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base))
    except (OSError, ValueError, KeyError) as error:
        raise ServiceError(f"{base} cannot be trained: {error}") from error
    count, linear = sum(one.numel() for one in model.parameters()), _linear(model)
    if not recipe.lora.enabled:
        return Sizes(0, count, full=True)
    return Sizes(count, _adapter_size(model, base, recipe), linear)


def _adapter_size(model: "PreTrainedModel", base: str, recipe: Recipe) -> int:
    """Put an adapter into a model without weights, and count its parameters."""
    import torch
    from peft import get_peft_model

    try:
        with torch.device("meta"):
            adapted = get_peft_model(model, lora_config(recipe.lora, recipe.peft))
    except (OSError, ValueError, KeyError) as error:
        raise ServiceError(
            f"{base} cannot be given an adapter: {error} If modules are the matter, try lora.target_modules=all-linear."
        ) from error
    return sum(one.numel() for one in adapted.parameters() if one.requires_grad)


def _linear(model: "PreTrainedModel") -> int:
    """Count the weights that bitsandbytes makes smaller: those of linear layers, but for the head."""
    from torch.nn import Linear

    layers = [one for one in model.modules() if isinstance(one, Linear) and one is not model.get_output_embeddings()]
    return sum(one.weight.numel() for one in layers)


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
    """Return the bytes that a training writes: checkpoints with their optimizer's two moments, and the result.

    Of whole models the older checkpoint keeps its weights alone.
    """
    held = _STATES * (_CHECKPOINTS - 1) + 1 if sizes.full else _STATES * _CHECKPOINTS
    return int(_MARGIN * (held + 1) * sizes.trained * _FLOAT) + _SMALL_FILES


def check_memory(sizes: Sizes, *, recipe: Recipe, precision: str, reference: bool) -> None:
    """Raise ServiceError if the weights and the optimizer alone do not fit on the GPU; activations come on top.

    Counted is what one GPU holds: less where the base is quantized, or spread over several by FSDP or DeepSpeed ZeRO-3.
    `reference`: a frozen copy of what is trained is held beside it.
    """
    import torch

    if not on_gpu() or _offloaded():
        return
    # What is trained, its gradient and two moments.
    everything = base_bytes(sizes, recipe, precision) + sizes.trained * _FLOAT * (_STATES + 1 + reference)
    gpus = sharded_over()
    needed = everything / gpus
    free, _ = torch.cuda.mem_get_info()
    if free < needed:
        share = f"a {gpus}th of weights and optimizer" if gpus > 1 else "weights and optimizer alone"
        more = "more GPUs" if gpus > 1 else "a larger GPU, or several with FSDP"
        raise ServiceError(
            f"The GPU has {gigabytes(free)} left, and {share} need {gigabytes(needed)}. "
            f"{(_TOO_LITTLE_FOR_ALL if sizes.full else _TOO_LITTLE).format(more=more)}"
        )


def base_bytes(sizes: Sizes, recipe: Recipe, precision: str) -> float:
    """Return the bytes of the frozen weights."""
    plain = weights_type(precision).itemsize
    small = {"load_in_4bit": _BITS_4, "load_in_8bit": 1.0}
    linear = next((size for key, size in small.items() if recipe.quantization.get(key)), plain)
    return (sizes.frozen - sizes.linear) * plain + sizes.linear * linear


def sharded_over() -> int:
    """Return over how many GPUs the launcher spreads the weights themselves; 1 where each holds all of them."""
    said = os.environ
    fsdp = said.get("ACCELERATE_USE_FSDP") == "true" and (
        said.get("FSDP_RESHARD_AFTER_FORWARD", "true").lower() in ("true", "full_shard")
    )
    zero3 = said.get("ACCELERATE_USE_DEEPSPEED") == "true" and said.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") == "3"
    return processes() if fsdp or zero3 else 1


def _offloaded() -> bool:
    """Whether the launcher keeps weights in the machine's memory, whose size nobody has told us."""
    said = os.environ
    offload = said.get("ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE", "none")
    return said.get("FSDP_OFFLOAD_PARAMS") == "true" or offload not in ("none", "")


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
