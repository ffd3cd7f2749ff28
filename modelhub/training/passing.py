"""What a recipe hands on to the libraries, by their own names, checked by their own classes before hours go into it."""

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from annotation.errors import ServiceError
from modelhub.training.config import Recipe
from modelhub.training.loading import lora_config, on_gpu, quantization_config

if TYPE_CHECKING:
    from trl import DPOConfig, SFTConfig

# What a recipe, an option or the run itself decides, and where that is said instead. Two places would disagree.
_TRAINER = {
    "num_train_epochs": "epochs", "learning_rate": "learning_rate", "lr_scheduler_type": "scheduler",
    "warmup_steps": "warmup", "weight_decay": "weight_decay", "max_grad_norm": "max_grad_norm",
    "per_device_train_batch_size": "batch_size", "per_device_eval_batch_size": "eval_batch_size",
    "gradient_accumulation_steps": "gradient_accumulation", "gradient_checkpointing": "gradient_checkpointing",
    "max_length": "max_length", "bf16": "precision", "fp16": "precision", "logging_steps": "logging_steps",
    "packing": "packing", "beta": "beta", "train_sampling_strategy": "group_by_length",
}  # fmt: skip
_OPTIONS = {"seed": "--seed", "data_seed": "--seed", "report_to": "--report-to", "output_dir": "--out"}
_OF_THE_RUN = {
    "max_steps", "eval_strategy", "eval_steps", "save_strategy", "save_steps", "save_total_limit", "save_only_model",
    "load_best_model_at_end", "metric_for_best_model", "greater_is_better", "resume_from_checkpoint", "disable_tqdm",
    "logging_first_step", "logging_strategy", "push_to_hub", "hub_model_id", "hub_token", "hub_strategy", "use_cpu",
    "completion_only_loss", "assistant_only_loss", "eval_packing", "model_init_kwargs", "dataset_kwargs",
    "dataset_text_field", "precompute_ref_log_probs", "do_train", "do_eval", "do_predict", "eos_token", "pad_token",
}  # fmt: skip
_LORA = {
    "r": "lora.r", "lora_alpha": "lora.alpha", "lora_dropout": "lora.dropout", "bias": "lora.bias",
    "target_modules": "lora.target_modules",
}  # fmt: skip
_MODEL = {"dtype": "precision", "torch_dtype": "precision", "quantization_config": "[quantization]"}
_PACKAGES = {"deepspeed": "deepspeed", "use_liger_kernel": "liger-kernel", "quantization": "bitsandbytes"}


def check_passed(recipe: Recipe, kind: str) -> None:
    """Raise ServiceError listing everything that the libraries would refuse, or that the recipe says elsewhere.

    `kind` is sft or dpo. The section of the other training is not looked at: its package may be missing here.
    """
    problems = [*_peft_problems(recipe), *_model_problems(recipe), *_quantization_problems(recipe)]
    problems += _trainer_problems(recipe, kind)
    if problems:
        raise ServiceError("\n".join(["The training configuration cannot be used:", *problems]))


def check_trackers(names: Iterable[str]) -> None:
    """Raise ServiceError unless every tracker of curves is one that transformers knows, and installed here."""
    from transformers.integrations import get_available_reporting_integrations
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    for name in names:
        if name not in INTEGRATION_TO_CALLBACK:
            raise ServiceError(
                f"--report-to {name}: is not known. Known: {', '.join(sorted(INTEGRATION_TO_CALLBACK))}."
            )
        if name not in get_available_reporting_integrations():
            raise ServiceError(f"--report-to {name}: needs its package here: pip install {name}.")


def _trainer_class(kind: str) -> "type[SFTConfig] | type[DPOConfig]":
    """Return the class of the trainer's configuration."""
    from trl import DPOConfig, SFTConfig

    return SFTConfig if kind == "sft" else DPOConfig


def _peft_problems(recipe: Recipe) -> list[str]:
    if not recipe.lora.enabled:
        return []
    from peft import LoraConfig

    known = inspect.signature(LoraConfig).parameters
    problems = _key_problems("peft", recipe.peft, known, _LORA, {"task_type", "inference_mode", "peft_type"})
    return problems or _refused("peft", lambda: lora_config(recipe.lora, recipe.peft))


def _model_problems(recipe: Recipe) -> list[str]:
    return _key_problems("model", recipe.model, (), _MODEL, {"device_map", "trust_remote_code", "token"})


def _quantization_problems(recipe: Recipe) -> list[str]:
    if not recipe.quantization:
        return []
    from transformers import BitsAndBytesConfig

    known = inspect.signature(BitsAndBytesConfig).parameters
    problems = _key_problems("quantization", recipe.quantization, known, {}, set())
    problems = problems or _refused("quantization", lambda: quantization_config(recipe.quantization))
    if problems:
        return problems
    if not (recipe.quantization.get("load_in_4bit") or recipe.quantization.get("load_in_8bit")):
        problems.append("- quantization: says neither load_in_4bit = true nor load_in_8bit = true")
    if not on_gpu():
        problems.append(
            "- quantization: a base of 4 or 8 bits is trained on a GPU with CUDA, and there is none here. Leave the "
            "section out, or train where there is one."
        )
    return problems + _missing("quantization", "quantization")


def _trainer_problems(recipe: Recipe, kind: str) -> list[str]:
    section = f"trl_{kind}"
    passed: Mapping[str, Any] = getattr(recipe, section)
    known = [one.name for one in dataclasses.fields(_trainer_class(kind)) if one.init]
    elsewhere = {name: f"{kind}.{key}" for name, key in _TRAINER.items()} | _OPTIONS
    problems = _key_problems(section, passed, known, elsewhere, _OF_THE_RUN)
    for key in ("deepspeed", "use_liger_kernel"):
        problems += _missing(f"{section}.{key}", key) if passed.get(key) else []
    here: dict[str, Any] = {"use_cpu": not on_gpu(), "output_dir": "checked", "bf16": False}
    return problems or _refused(section, lambda: _trainer_class(kind)(**passed, **here))


def _key_problems(
    section: str, passed: Mapping[str, Any], known: Iterable[str], elsewhere: Mapping[str, str], kept: set[str]
) -> list[str]:
    """Return what is wrong with the names; an empty `known` is one that only the call itself can tell."""
    problems, names = [], sorted(known)
    for key in passed:
        if key in elsewhere:
            problems.append(f"- {section}.{key}: is said by {elsewhere[key]}")
        elif key in kept:
            problems.append(f"- {section}.{key}: is not for a recipe to say: the run decides it")
        elif names and key not in names:
            near = difflib.get_close_matches(key, names, 1)
            problems.append(f"- {section}.{key}: is not known there{f'; is it {near[0]}?' if near else ''}")
    return problems


def _refused(section: str, make: Callable[[], object]) -> list[str]:
    """Return what the library's own class says against the values."""
    try:
        make()
    except (TypeError, ValueError, ImportError, NotImplementedError, KeyError, AttributeError, OSError) as error:
        return [f"- {section}: {str(error).strip() or type(error).__name__}"]
    return []


def _missing(place: str, what: str) -> list[str]:
    package = _PACKAGES[what]
    if find_spec(package.replace("-", "_")) or find_spec(package.partition("-")[0] + "_kernel"):
        return []
    return [f"- {place}: needs the package {package}: pip install {package}"]
