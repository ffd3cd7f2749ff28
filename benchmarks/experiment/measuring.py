"""By how much a model prefers the chosen response of a pair, under each persona."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.experiment.design import Design, requests_of
from benchmarks.tailoring import SIDES, Row, mean_of_shuffled, personas_of
from modelhub.engines.base import GenerationRequest
from modelhub.engines.chat import prompt_text, template_messages
from modelhub.engines.decoding import plain_text
from modelhub.engines.weights import put_adapter, whole_model
from modelhub.training.manifest import is_whole_model, read_manifest
from tests.tools.smallmodels import FloatArray, device, log_probabilities

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_BATCH = 8  # the vocabulary of a real model makes rows of logits large


def margins(design: Design, arm: str, trained: Path | None, rows: Sequence[Row], seed: int) -> dict[str, FloatArray]:
    """Return, for each persona of benchmarks.tailoring.PERSONAS, the rows' margins in nats, shape (rows, 2).

    The columns are the whole margin and that per token, as in benchmarks.tailoring.
    """
    model, tokenizer = load(design.model, trained)
    found = {}
    for condition, personas in personas_of(rows, seed, design.shuffles).items():
        asked = requests_of(rows, personas, design.style_of(arm))
        prompts = [rendered(tokenizer, request, chat=design.chat) for request in asked]
        space = "" if design.chat else " "
        texts = [(prompt, space + row[side]) for prompt, row in zip(prompts, rows, strict=True) for side in SIDES]
        sums, counts = log_probabilities(model, tokenizer, texts, most=[_room(design)] * len(texts), batch=_BATCH)
        both = np.stack([sums, sums / counts], axis=1).reshape(len(rows), 2, 2)
        found[condition] = both[:, 0] - both[:, 1]
    return mean_of_shuffled(found)


def _room(design: Design) -> int:
    """Return the most tokens of a response that count, the same under every persona."""
    settings = design.recipe().dpo
    return settings.max_length - (settings.max_prompt_length or 0)


def model_and_adapter(base: Path, trained: Path | None) -> tuple[str, str]:
    """Return the model that answers and the adapter on it, "" where all weights were trained or none."""
    if trained is None or is_whole_model(read_manifest(trained)):
        return str(trained or base), ""
    return str(base), str(trained)


def load(base: Path, trained: Path | None) -> tuple["PreTrainedModel | PeftModel", "PreTrainedTokenizerBase"]:
    """Return what a training has made, or the base, and the tokenizer; raises EngineError for a partial load."""
    from transformers import AutoTokenizer

    name, adapter = model_and_adapter(base, trained)
    model = whole_model(name)
    whole = put_adapter(model, adapter) if adapter else model
    return whole.to(device()), AutoTokenizer.from_pretrained(base)


def rendered(tokenizer: "PreTrainedTokenizerBase", request: GenerationRequest, *, chat: bool) -> str:
    """Return the text that a model continues."""
    return prompt_text(tokenizer, template_messages(tokenizer, request)) if chat else plain_text(request)


def keep_margins(path: Path, found: Mapping[str, FloatArray]) -> None:
    """Write margins as JSON, whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps({name: values.tolist() for name, values in found.items()}), encoding="utf-8")
    part.replace(path)


def kept_margins(path: Path) -> dict[str, FloatArray]:
    """Return the margins that `keep_margins` wrote."""
    return {name: np.array(values) for name, values in json.loads(path.read_text(encoding="utf-8")).items()}
