"""Load models and adapters whole or not at all.

The libraries make up weights that a file lacks, leave out those that they do not know, and say so in a log at most:
what answers then is another model, under the same name.
"""

import copy
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelhub.engines.base import EngineError

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig, PeftModel
    from transformers import PretrainedConfig, PreTrainedModel

_MOST_NAMED = 3
_TRIED = "tried"  # the adapter's name in the model without weights
_MISMATCH = "size mismatch for "

Tensors = Mapping[str, "torch.Tensor"]


@dataclass(frozen=True)
class Gaps:
    """What keeps a load from being whole, by the names of weights."""

    missing: Collection[str] = ()
    unexpected: Collection[str] = ()
    misshapen: Collection[str] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.misshapen)

    def __str__(self) -> str:
        kinds = (
            (self.missing, "missing from its files"),
            (self.unexpected, "in its files and unknown to the model"),
            (self.misshapen, "of another shape"),
        )
        return "; ".join(f"{len(names)} {what} ({some(names)})" for names, what in kinds if names)


def load_errors() -> tuple[type[Exception], ...]:
    """Return what the libraries raise for files they cannot load, a device without memory among them."""
    from safetensors import SafetensorError

    return (OSError, ValueError, RuntimeError, KeyError, SafetensorError)


def some(names: Iterable[str]) -> str:
    """Return the first of these names, and how many more there are."""
    ordered = sorted(names)
    more = len(ordered) - _MOST_NAMED
    return ", ".join(ordered[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def whole_model(name: str, **passed: Any) -> "PreTrainedModel":
    """Return the causal language model in a folder or of a Hub name, with every weight from its files.

    `passed` goes to the library, whose errors go up. Raises EngineError for weights that are missing, left over or of
    another shape.
    """
    from transformers import AutoModelForCausalLM

    how = passed | {"output_loading_info": True, "ignore_mismatched_sizes": True}  # so that they are counted here
    model, told = AutoModelForCausalLM.from_pretrained(name, **how)
    gaps = Gaps(told["missing_keys"], told["unexpected_keys"], [str(one[0]) for one in told["mismatched_keys"]])
    if gaps:
        raise EngineError(
            f"The model {name} does not load whole as a causal language model: of its weights, {gaps}. What is missing "
            "would be made up. Give a complete model of this kind."
        )
    return model


def adapter_gaps(adapter: str, config: "PretrainedConfig", tensors: Tensors) -> Gaps:
    """Return what keeps an adapter's weights from fitting a model of this configuration; the model has no weights.

    Tensors on the device meta do as well: names and shapes are what counts.
    """
    import torch
    from peft import PeftConfig, PeftModelForCausalLM
    from transformers import AutoModelForCausalLM

    settings = PeftConfig.from_pretrained(adapter)
    settings.init_lora_weights = True  # others look at weights
    with torch.device("meta"):
        bare = AutoModelForCausalLM.from_config(copy.deepcopy(config))
        empty = PeftModelForCausalLM(bare, settings, _TRIED)
    return _take(empty, {name: one.to("meta") for name, one in tensors.items()}, _TRIED)


def put_adapter(
    model: "PreTrainedModel | PeftModel", adapter: str, *, name: str = "default", trainable: bool = False,
    shared: bool = False,
) -> "PeftModel":  # fmt: skip
    """Return the model with a LoRA adapter in it under this name, all of whose weights are in place.

    `shared`: others use the base too, so an adapter that would change it is refused. Raises EngineError for what does
    not fit, before the model is touched; the library's own errors go up.
    """
    from peft import PeftConfig, PeftModel, PeftModelForCausalLM, load_peft_weights

    tensors = load_peft_weights(adapter, device="cpu")
    refuse_gaps(adapter, adapter_gaps(adapter, model.config, tensors))
    settings = PeftConfig.from_pretrained(adapter)
    settings.inference_mode = not trainable
    if shared:
        _refuse_changed_base(model, adapter, settings, tensors)
    if isinstance(model, PeftModel):
        model.add_adapter(name, settings)
    else:
        model = PeftModelForCausalLM(model, settings, name)
    refuse_gaps(adapter, _take(model, tensors, name))
    return model if trainable else model.eval()


def refuse_gaps(adapter: str, gaps: Gaps) -> None:
    """Raise EngineError if there are any."""
    if gaps:
        raise EngineError(not_whole(adapter, gaps))


def not_whole(adapter: str, gaps: Gaps) -> str:
    """Return the message for an adapter that does not load whole."""
    return (
        f"The adapter {adapter} does not fit this base as a whole: of its weights, {gaps}. A part of it is not the "
        "model that was trained. Take the base it was trained on, and all of its files."
    )


def hold_loads(model: "PeftModel") -> None:
    """Have `load_adapter` of this model, by which trainers take up checkpoints, refuse what does not load whole."""
    load = model.load_adapter

    def whole(model_id: str, adapter_name: str, *arguments: Any, **named: Any) -> Any:
        from peft import load_peft_weights

        refuse_gaps(model_id, adapter_gaps(model_id, model.config, load_peft_weights(model_id, device="cpu")))
        return load(model_id, adapter_name, *arguments, **named)

    model.load_adapter = whole


def _take(model: "PeftModel", tensors: Tensors, name: str) -> Gaps:
    """Put tensors into an adapter of the model, and return what was not there, not known or did not fit."""
    from peft import set_peft_model_state_dict

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they say is told as gaps
            result = set_peft_model_state_dict(model, dict(tensors), adapter_name=name)
    except KeyError as error:  # of modules that are kept whole
        return Gaps(missing=[str(error.args[0])])
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        found = [line.removeprefix(_MISMATCH).partition(":")[0] for line in lines if line.startswith(_MISMATCH)]
        misshapen = [key.replace(f".{name}", "") for key in found]
        if not misshapen:
            raise
        return Gaps(misshapen=misshapen)
    own = dict(model.named_parameters(remove_duplicate=False))
    there = {id(one) for key, one in own.items() if key not in result.missing_keys}
    # What is shared with a weight that is there is there as well, such as new tokens of a tied embedding.
    gone = [key for key in result.missing_keys if f".{name}" in key and id(own.get(key)) not in there]
    missing = [key.replace(f".{name}", "") for key in gone]
    return Gaps(missing, result.unexpected_keys)


def _refuse_changed_base(
    model: "PreTrainedModel | PeftModel", adapter: str, settings: "PeftConfig", tensors: Tensors
) -> None:
    """Raise EngineError for an adapter that changes the base's own weights: they are those of other systems too."""
    start = settings.init_lora_weights
    if isinstance(start, str) and start not in ("gaussian", "eva", "orthogonal"):
        changed = [f"init_lora_weights = {start}"]
    else:
        changed = _changed_weights(model, settings, tensors)
    if changed:
        raise EngineError(
            f"The adapter {adapter} changes weights of the base itself ({some(changed)}), which systems on one base "
            "share. Merge it (manage.py merge_adapter) and register the merged model."
        )


def _changed_weights(model: "PreTrainedModel | PeftModel", settings: "PeftConfig", tensors: Tensors) -> list[str]:
    from peft import PeftModel

    base = model.get_base_model() if isinstance(model, PeftModel) else model
    own = {name.replace(".base_layer.", "."): one for name, one in base.named_parameters(remove_duplicate=False)}
    whole = tuple(settings.modules_to_save or ())
    changed = []
    for name, one in tensors.items():
        plain = name.removeprefix("base_model.model.").replace(".base_layer.", ".")
        if plain in own and not plain.rpartition(".")[0].endswith(whole) and not _alike(one, own[plain]):
            changed.append(plain)
    return changed


def _alike(one: "torch.Tensor", other: "torch.Tensor") -> bool:
    """Whether two tensors are the same in the coarser of their types."""
    import torch

    coarser = min(one.dtype, other.dtype, key=lambda kind: kind.itemsize)
    return one.shape == other.shape and torch.equal(one.to(coarser), other.detach().to("cpu", coarser))


def stored_tensors(adapter: str) -> Tensors:
    """Return names and shapes of an adapter's weights; the library's errors go up."""
    from peft import load_peft_weights

    return {name: one.to("meta") for name, one in load_peft_weights(adapter, device="cpu").items()}
