"""Load what is trained: the tokenizer, the model, and a description of the adapter."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation.errors import ServiceError
from modelhub.engines.base import EngineSettings
from modelhub.engines.decoding import Decoding
from modelhub.engines.modelfiles import check_files
from modelhub.engines.weights import load_errors, whole_model
from modelhub.training.config import LoraSettings, Recipe

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig
    from transformers import BitsAndBytesConfig, PreTrainedModel, PreTrainedTokenizerBase


def quiet_environment(base: str) -> None:
    """Keep the libraries from reporting what is trained here; call it before any of them is imported.

    With the model at hand nothing is looked up on the Hub either; a name on the Hub may still be downloaded.
    """
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if Path(base).is_dir():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")


def quiet_libraries() -> None:
    """Keep progress bars of the libraries out of the terminal; the caller shows its own."""
    from datasets.utils.logging import disable_progress_bar
    from transformers.utils import logging

    disable_progress_bar()
    logging.disable_progress_bar()
    logging.set_verbosity_error()


def check_base(base: str) -> None:
    """Raise ServiceError listing what is wrong with the files of the base model."""
    check_files(EngineSettings(model=base), Decoding())


def load_tokenizer(base: str) -> "PreTrainedTokenizerBase":
    """Return the base's tokenizer, padding with its end-of-text token if it has none for padding.

    Padding is masked, so the end of a text is learned all the same. Raises ServiceError for a tokenizer that cannot
    be loaded or knows no end of text: models trained with it would never stop.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(base)
    except load_errors() as error:
        raise ServiceError(f"The tokenizer of {base} cannot be loaded: {error}") from error
    if tokenizer.eos_token is None:
        raise ServiceError(f"The tokenizer of {base} has no end-of-text token (eos_token), so no answer could end.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def on_gpu() -> bool:
    """Return whether training uses a GPU."""
    import torch

    return bool(torch.cuda.is_available())


def weights_type(precision: str) -> "torch.dtype":
    """Return the precision of frozen weights and passes: bfloat16 if asked for, or with `auto` if a GPU can do it."""
    import torch

    if precision == "auto":
        precision = "bfloat16" if on_gpu() and torch.cuda.is_bf16_supported() else "float32"
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def load_model(base: str, recipe: Recipe, precision: str) -> "PreTrainedModel":
    """Return a model, with what the recipe's sections model and quantization say.

    All weights of one that is trained as a whole are float32, whatever its passes are in: the steps of fine-tuning are
    smaller than what bfloat16 tells apart. Raises ServiceError, also if it does not load whole.
    """
    import torch

    dtype = weights_type(precision) if recipe.lora.enabled else torch.float32
    passed: dict[str, Any] = dict(recipe.model)
    if recipe.quantization:
        # Each process has a whole quantized base on its own GPU; without a map it would be moved there in pieces.
        here = {"": int(os.environ.get("LOCAL_RANK", "0"))}
        passed |= {"quantization_config": quantization_config(recipe.quantization), "device_map": here}
    refusals: tuple[type[Exception], ...] = (*load_errors(), TypeError, ImportError)  # of a name, or for a package
    try:
        return whole_model(base, dtype=dtype, **passed)
    except refusals as error:
        raise ServiceError(f"The model {base} cannot be loaded: {error}") from error


def quantization_config(passed: Mapping[str, Any]) -> "BitsAndBytesConfig":
    """Return a recipe's section quantization in the library's form (QLoRA: Dettmers et al. 2023, arXiv 2305.14314)."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(**passed)


def lora_config(lora: LoraSettings, passed: Mapping[str, Any]) -> "LoraConfig":
    """Return the adapter's settings in PEFT's form; `passed` is the recipe's section peft."""
    from peft import LoraConfig

    modules: str | list[str] | None
    modules = list(lora.target_modules) if isinstance(lora.target_modules, tuple) else lora.target_modules
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        bias=lora.bias,
        target_modules=None if modules == "default" else modules,
        task_type="CAUSAL_LM",
        **passed,
    )
