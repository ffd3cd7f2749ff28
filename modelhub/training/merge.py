"""Put an adapter's weights into its base, for tools that know no adapters."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation.errors import ServiceError
from modelhub.engines.digests import ADAPTER_CONFIG, MANIFEST, base_problem, model_digest
from modelhub.engines.probing import largest_difference, probe_logits
from modelhub.engines.weights import load_errors, put_adapter, whole_model
from modelhub.training.checks import check_disk
from modelhub.training.job import MERGED
from modelhub.training.loading import check_base, load_tokenizer, quiet_environment, quiet_libraries
from modelhub.training.manifest import (
    base_entry,
    is_trained_here,
    is_whole_model,
    read_json,
    read_manifest,
    versions,
    write_json,
)

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

# Of the largest logit: what rounding weights and activations to the precision of the files can make of a difference.
TOLERANCES = {"float32": 1e-3, "float16": 1e-2, "bfloat16": 5e-2}


def merge_adapter(adapter: Path, out: Path, *, base: str = "") -> dict[str, Any]:
    """Write base and adapter as one model, in the precision of the base's files, and return its manifest.

    The base is the one the adapter names, unless `base` says where it is now. Nothing is left of a merge that fails.
    The logits of what was written are compared with those of the adapter on its base. Raises ServiceError if they
    differ, if the folder is taken, the adapter unfinished, the base another one, or the disk too full.
    """
    if out.exists():
        raise ServiceError(f"{out} exists already. Give a folder that does not.")
    manifest = _manifest_of(adapter)
    name = base or manifest.get("base", {}).get("name") or _base_named_by(adapter)
    quiet_environment(name)
    check_base(name)
    if problem := base_problem(str(adapter), name):
        raise ServiceError(problem)
    check_disk(out, _bytes_of(name))
    half = out.with_name(f".{out.name}.half")
    shutil.rmtree(half, ignore_errors=True)  # of a merge that was killed
    half.mkdir(parents=True)
    try:
        compared = _merge(name, adapter, half)
        merged = {
            "format": 1, "kind": MERGED, "base": base_entry(name),
            "parent": {"name": str(adapter.resolve()), "digest": model_digest(str(adapter))},
            "data": manifest.get("data"), "versions": versions(), "compared": compared,
        }  # fmt: skip
        write_json(half / MANIFEST, merged)
        half.rename(out)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return merged


def _merge(base: str, adapter: Path, folder: Path) -> dict[str, Any]:
    """Write the merged model, and return how its logits compare with those of the adapter on its base."""
    quiet_libraries()
    tokenizer = load_tokenizer(base)
    try:
        model = whole_model(base, dtype="auto").eval()
        alone = probe_logits(model, tokenizer)
        adapted = put_adapter(model, str(adapter))
        wanted = probe_logits(adapted, tokenizer)
        _untie(adapted)
        adapted.merge_and_unload(safe_merge=True).save_pretrained(folder)
        del model, adapted  # there may be no room for two
        tokenizer.save_pretrained(folder)
        written = whole_model(str(folder), dtype="auto").eval()
        made = probe_logits(written, load_tokenizer(str(folder)))
    except load_errors() as error:
        raise ServiceError(f"The adapter {adapter} cannot be merged into {base}: {error}") from error
    return _compared(made, wanted, alone, dtype=str(written.dtype).removeprefix("torch."))


def _untie(model: "PeftModel") -> None:
    """Give embedding and head weights of their own where they share them and the adapter changes one of them.

    Merging writes into what is shared: the other one would change as well.
    """
    from peft.tuners.lora import LoraLayer
    from torch import nn

    base = model.get_base_model()
    layers = base.get_input_embeddings(), base.get_output_embeddings()
    plain = [getattr(layer, "base_layer", layer) for layer in layers]
    if plain[1] is None or plain[0].weight is not plain[1].weight or not any(isinstance(x, LoraLayer) for x in layers):
        return
    plain[1].weight = nn.Parameter(plain[1].weight.detach().clone(), requires_grad=False)
    for config in (base.config, base.config.get_text_config()):
        config.tie_word_embeddings = False


def _compared(made: "torch.Tensor", wanted: "torch.Tensor", alone: "torch.Tensor", *, dtype: str) -> dict[str, Any]:
    """Return by how much the logits differ, at most; raise ServiceError if that is more than rounding can explain."""
    if made.shape != wanted.shape:
        raise ServiceError(
            f"The merged model is another one: it reads {tuple(made.shape)} tokens and words of the probe, and the "
            f"adapter on its base {tuple(wanted.shape)}. Nothing was written."
        )
    largest = max(1.0, float(wanted.abs().max()))
    compared: dict[str, Any] = {
        "dtype": dtype,
        "difference": largest_difference(made, wanted),
        "tolerance": TOLERANCES.get(dtype, TOLERANCES["float32"]) * largest,
        "effect_of_adapter": largest_difference(wanted, alone),
    }
    if not compared["difference"] <= compared["tolerance"]:
        raise ServiceError(
            f"The merged model is not the adapter on its base: logits differ by up to {compared['difference']:.3g}, "
            f"and rounding to {dtype} explains {compared['tolerance']:.3g} (the adapter itself changes them by up to "
            f"{compared['effect_of_adapter']:.3g}). Nothing was written."
        )
    return compared


def _manifest_of(adapter: Path) -> dict[str, Any]:
    """Return the adapter's manifest, empty for an adapter that was trained elsewhere; refuse an unfinished one."""
    manifest = read_manifest(adapter) if is_trained_here(adapter) else {}
    if is_whole_model(manifest):
        raise ServiceError(
            f"{adapter} holds a whole model, all of whose weights were trained: there is nothing to merge. Register it "
            "as it is (manage.py register_system --model)."
        )
    if not (adapter / ADAPTER_CONFIG).is_file():
        raise ServiceError(f"{adapter} holds no adapter (no {ADAPTER_CONFIG}).")
    return manifest


def _base_named_by(adapter: Path) -> str:
    name = read_json(adapter / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not name:
        raise ServiceError(f"{adapter} does not say which base it belongs to; name it with --base.")
    return str(name)


def _bytes_of(base: str) -> int:
    """Return the size of the base's weights, 0 for a Hub name."""
    folder = Path(base)
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file()) if folder.is_dir() else 0
