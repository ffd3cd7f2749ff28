"""The vLLM engine: vLLM's offline engine in this process, with any number of LoRA adapters on one loaded base.

`System.model` is a folder or a Hub name, `System.adapter` that of a LoRA adapter on it. Prompts are turned into tokens
here, so that both engines that load models give a model the very same input. Under the dtype "auto", vLLM runs models
whose files are float32 in half precision.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from modelhub.engines.base import EngineError, EngineSettings, GenerationFailure, GenerationRequest, GenerationResult
from modelhub.engines.decoding import Decoding, parse_decoding
from modelhub.engines.modelfiles import stamp
from modelhub.engines.rehearsal import Rehearsal, Rehearsed, rehearse_files
from modelhub.engines.tokens import TokenAnswer, TokenPrompt, TokenUsage
from modelhub.engines.vllm.live import VllmLiveEngine, load_running
from modelhub.engines.vllm.settings import (
    VLLM_ERRORS,
    Adapters,
    VllmOptions,
    check,
    check_shared,
    model_arguments,
    model_codec,
    parse_options,
    rank_wanted,
    sampling,
)

if TYPE_CHECKING:
    from vllm import LLM

__all__ = ["check", "create", "live", "rehearse"]


class LoadedModel:
    """A model in memory, with the adapters that were named to it."""

    def __init__(self, llm: "LLM", *, name: str, options: VllmOptions, rank: int) -> None:
        self.llm = llm
        self.name = name
        self.options = options
        self.adapters = Adapters(name, rank)


class VllmEngine:
    """A loaded model with an adapter or none, and how it is to decode."""

    def __init__(self, model: LoadedModel, decoding: Decoding, *, adapter: str) -> None:
        self._model = model
        self._decoding = decoding
        self._adapter = model.adapters.request(adapter) if adapter else None
        self._usage = TokenUsage()
        llm = model.llm
        self._codec, self._ends = model_codec(
            llm.get_tokenizer(), llm.llm_engine.model_config, decoding, name=model.name
        )

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GenerationResult | GenerationFailure]:
        """Return one result per request, in their order; prompts that are too long fail."""
        prompts, failed = self._codec.encode(requests)
        results: dict[int, GenerationResult | GenerationFailure] = dict(failed)
        for answer in self._answers(prompts):
            results[answer.prompt.index] = self._codec.result(answer)
        ordered = [results[index] for index in range(len(requests))]
        self._usage.add(ordered)
        return ordered

    def usage(self) -> dict[str, Any]:
        """Return the requests answered and the tokens read and made."""
        return asdict(self._usage)

    def _answers(self, prompts: Sequence[TokenPrompt]) -> list[TokenAnswer]:
        if not prompts:
            return []
        started = time.perf_counter()
        try:
            outputs = self._model.llm.generate(
                [{"prompt_token_ids": prompt.ids} for prompt in prompts],
                [sampling(self._decoding, prompt, ends=self._ends, number=prompt.index) for prompt in prompts],
                lora_request=self._adapter,
                use_tqdm=False,
            )
        except VLLM_ERRORS as error:
            raise EngineError(f"vLLM cannot go on with {self._model.name}: {error}") from error
        seconds = (time.perf_counter() - started) / len(prompts)
        pairs = zip(prompts, outputs, strict=True)
        return [TokenAnswer(prompt, list(output.outputs[0].token_ids), seconds) for prompt, output in pairs]


# Weak, so that a model is freed with the last engine that uses it.
_LOADED: WeakValueDictionary[Any, LoadedModel] = WeakValueDictionary()


def create(settings: EngineSettings) -> VllmEngine:
    """Return the engine with its model loaded; raise EngineError if it cannot be."""
    check(settings)
    decoding, options = parse_decoding(settings.decoding), parse_options(settings)
    return VllmEngine(_load(settings, decoding, options), decoding, adapter=settings.adapter)


def live(settings: EngineSettings) -> VllmLiveEngine:
    """Return the engine that takes requests at any time; raises as `create` does."""
    check(settings)
    decoding, options = parse_decoding(settings.decoding), parse_options(settings)
    model = load_running(settings, decoding, options)
    return VllmLiveEngine(model, decoding, adapter=settings.adapter, slots=options.live_slots)


def rehearse(settings: EngineSettings, asked: Rehearsal) -> Rehearsed:
    """Try tokenizer, chat template, context and adapter; raise EngineError for what would fail every time."""
    options = parse_options(settings)
    return rehearse_files(settings, parse_decoding(settings.decoding), asked, context=options.max_model_len)


def _load(settings: EngineSettings, decoding: Decoding, options: VllmOptions) -> LoadedModel:
    """Return the model, loading it unless an engine of this process has it already."""
    key = (settings.model, stamp(settings.model), decoding.dtype)
    loaded = _LOADED.get(key)
    if loaded is None:
        rank = rank_wanted(settings, options)
        llm = _new_llm(settings.model, decoding, options, rank=rank)
        loaded = _LOADED[key] = LoadedModel(llm, name=settings.model, options=options, rank=rank)
    check_shared(settings.model, loaded.options, options)
    return loaded


def _new_llm(name: str, decoding: Decoding, options: VllmOptions, *, rank: int) -> "LLM":
    from vllm import LLM

    try:
        return LLM(**model_arguments(name, decoding, options, rank=rank, loras=1))
    except VLLM_ERRORS as error:
        raise EngineError(f"vLLM cannot load {name}: {error}") from error
