"""Jobs on a tiny model: few words, real training."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modelhub.prompting.layouts import render_prompt
from modelhub.training.config import Recipe, load_recipe
from modelhub.training.data import Example
from modelhub.training.job import DataDescription, TrainingJob
from modelhub.training.trainer import LogEntry, Watch
from tests.modelhub.engines.spoiling import WEIGHTS
from tests.tools.tinymodels import texts

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PERSONA = "The user is curious and prefers a direct answer."
_QUESTIONS = [prompt.removeprefix("Prompt: ").removesuffix("\nResponse:") for prompt, _ in texts()]


def examples(first: int, last: int, *, persona: str = PERSONA) -> list[Example]:
    """Return examples `first` to `last` (of 16) that prefer an answer in steps over a short one."""
    brief, stepwise = texts("brief"), texts("stepwise")
    return [
        Example(f"row {number}", _QUESTIONS[number], persona, stepwise[number][1].strip(), brief[number][1].strip())
        for number in range(first, last)
    ]


def described(split: str, **changed: str) -> DataDescription:
    """Return a description of data: `split` is sft or dpo."""
    values = {"personas": "chosen", "persona_source": "gold", "inferring_system": "inferrer", **changed}
    return DataDescription("tiny", f"{split}_train", f"{split}_val", **values)


def recipe(*settings: str) -> Recipe:
    """Return the tiny recipe with these settings."""
    return load_recipe("tiny", settings=settings)


def make_job(kind: str, base: Path, out: Path, *settings: str, **changed: Any) -> TrainingJob:
    """Return a job on 12 training and 4 validation examples."""
    values: dict[str, Any] = {
        "recipe": recipe(*settings), "data": described(kind), "train": examples(0, 12), "validation": examples(12, 16),
    }  # fmt: skip
    return TrainingJob(kind=kind, base=str(base), out=out, **(values | changed))


def interrupt_at(step: int) -> Watch:
    """Return what ends a training at a step as Ctrl-C does."""

    def logged(entry: LogEntry) -> None:
        if entry.step >= step:
            raise KeyboardInterrupt

    return Watch(logged=logged)


def interrupted(train: Callable[..., object], job: TrainingJob, *, step: int = 8) -> None:
    """Train until it is interrupted at a step."""
    with pytest.raises(KeyboardInterrupt):
        train(job, interrupt_at(step))


def load(base: Path, *adapter: Path) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """Return the base, with an adapter in it if one is given, and its tokenizer."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base)
    for folder in adapter:
        model = PeftModel.from_pretrained(model, folder)
    return model.eval(), AutoTokenizer.from_pretrained(base)


def response_log_probability(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", prompt: str, response: str
) -> float:
    """Return the sum of the log-probabilities of the response's tokens and its end, written out from the logits."""
    import torch

    start = len(tokenizer(prompt)["input_ids"])
    ids = torch.tensor([tokenizer(f"{prompt} {response}{tokenizer.eos_token}")["input_ids"]])
    with torch.no_grad():
        logps = torch.log_softmax(model(input_ids=ids).logits[0], dim=-1)
    return float(sum(logps[at - 1, ids[0, at]] for at in range(start, ids.shape[1])))


def asked(row: Example) -> str:
    """Return an example's prompt in labelled lines."""
    return render_prompt(prompt=row.prompt, persona=row.persona, style="field")


def margins(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", rows: Sequence[Example]) -> list[float]:
    """Return, per example, by how much the log-probability of its response exceeds that of the other."""
    return [
        response_log_probability(model, tokenizer, asked(row), row.response)
        - response_log_probability(model, tokenizer, asked(row), row.other)
        for row in rows
    ]


def weights(adapter: Path) -> "dict[str, Any]":
    """Return the tensors of an adapter's or a model's file by name."""
    from safetensors.torch import load_file

    return dict(load_file(next(adapter / name for name in WEIGHTS if (adapter / name).is_file())))


def same_weights(one: Path, other: Path, *, tolerance: float = 0.0) -> bool:
    """Return whether two adapters or models have the same tensors, exactly or within a tolerance."""
    first, second = weights(one), weights(other)
    return set(first) == set(second) and all(
        float((first[name] - second[name]).abs().max()) <= tolerance for name in first
    )
