"""What a training run was asked and came to, as facts a person reads: from what the run recorded of itself."""

from collections.abc import Mapping
from typing import Any

from modelhub.pipeline_results.training_curves import Entry, number_words
from modelhub.training.fitting import Shortening

_SPLITS = {"train": "trained on", "validation": "validated on"}


def training_summary(arguments: Mapping[str, Any], best: Entry | None) -> list[tuple[str, str]]:
    """Return names and words for what the arguments of a training run hold; what they lack is left out."""
    facts = {
        "Base": _base(arguments),
        "Goes on from": arguments.get("sft", ""),
        "Written to": arguments.get("out", ""),
        "Data": _data(arguments.get("data", {})),
        "Personas": _personas(arguments.get("data", {})),
        "Left out": _left_out(arguments),
        "Shortened": _shortened(arguments.get("shortened", {})),
        "Recipe": _recipe(arguments),
        "Trained": _trained(arguments.get("recipe", {}).get("lora", {})),
        "Best step": f"{best.step:,}, with validation loss {number_words(best.number('eval_loss'))}" if best else "",
    }
    return [(name, words) for name, words in facts.items() if words]


def _base(arguments: Mapping[str, Any]) -> str:
    revision = arguments.get("base_revision", "")
    return f"{arguments.get('base', '')}{f' at {revision}' if revision else ''}"


def _data(data: Mapping[str, Any]) -> str:
    rows = [
        f"{data[key]['examples']:,} examples of {data[key]['split']} {words}"
        for key, words in _SPLITS.items()
        if key in data
    ]
    return ": ".join(part for part in (data.get("dataset", ""), "; ".join(rows)) if part)


def _personas(data: Mapping[str, Any]) -> str:
    personas = data.get("personas", "")
    if not data.get("persona_source"):
        return personas
    by = f", inferred by {data['inferring_system']}" if data.get("inferring_system") else ""
    found = f", found by {data['retriever']}" if data.get("retriever") else ""
    return f"{personas}: {data['persona_source']}{by}{found}"


def _left_out(arguments: Mapping[str, Any]) -> str:
    if "left_out" not in arguments:
        return ""
    shared = arguments.get("validation_pairs_trained_on", 0)
    also = f"; {shared:,} validation pairs are training pairs too" if shared else ""
    return f"{arguments['left_out']:,} rows{also}"


def _shortened(shortened: Mapping[str, Any]) -> str:
    return "; ".join(f"{name}: {Shortening(**counts)}" for name, counts in shortened.items())


def _recipe(arguments: Mapping[str, Any]) -> str:
    settings = arguments.get("recipe", {}).get(arguments.get("kind", ""), {})
    processes = arguments.get("processes", 1)
    words = {
        "epochs": "{} epochs",
        "learning_rate": "learning rate {:g}",
        "beta": "beta {:g}",
        "batch_size": "batches of {}",
        "gradient_accumulation": "{} per update",
        "max_length": "{} tokens",
    }
    parts = [form.format(settings[name]) for name, form in words.items() if settings.get(name) is not None]
    return ", ".join([*parts, f"{processes} processes"] if parts and processes > 1 else parts)


def _trained(lora: Mapping[str, Any]) -> str:
    if lora.get("enabled") is False:
        return "all weights, without an adapter"
    if not {"r", "alpha"} <= set(lora):
        return ""
    modules = lora.get("target_modules", "default")
    named = modules if isinstance(modules, str) else ", ".join(modules)
    return f"LoRA of rank {lora['r']}, alpha {lora['alpha']:g}, modules: {named}"
