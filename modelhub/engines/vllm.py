"""The vLLM engine: vLLM's offline engine in this process, with any number of LoRA adapters on one loaded base.

`System.model` is a folder or a Hub name, `System.adapter` that of a LoRA adapter on it. Prompts are turned into tokens
here, so that both engines that load models give a model the very same input. Under the dtype "auto", vLLM runs models
whose files are float32 in half precision.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from pydantic import BaseModel, ConfigDict, Field

from modelhub.engines.base import EngineError, EngineSettings, GenerationFailure, GenerationRequest, GenerationResult
from modelhub.engines.decoding import Decoding, parse_decoding, parse_settings
from modelhub.engines.modelfiles import check_files, lora_rank, stamp
from modelhub.engines.packages import require
from modelhub.engines.rehearsal import Rehearsal, Rehearsed, rehearse_files
from modelhub.engines.tokens import Codec, TokenAnswer, TokenPrompt, TokenUsage

if TYPE_CHECKING:
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

# The ranks that vLLM can make room for; the usual ones share a model whichever adapter comes first.
RANKS = (16, 32, 64, 128, 256, 320, 512)
ADAPTERS_KEPT = 8  # in main memory, so that systems can take turns without reading files

# What vLLM raises for a model, an adapter or a device that it cannot use.
VLLM_ERRORS = (OSError, ValueError, RuntimeError, KeyError)


class VllmOptions(BaseModel):
    """How answers are computed. Systems that name the same model share it, and must have the same options.

    `gpu_memory_utilization` is the share of the GPU's memory that vLLM takes; `max_model_len` the context in tokens,
    the model's own if it is not given; `tensor_parallel_size` the number of GPUs. `max_loras` and `max_lora_rank` make
    room for adapters; where they are not given, there is room for those like the first system's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpu_memory_utilization: float = Field(default=0.9, gt=0.0, le=1.0)
    max_model_len: int | None = Field(default=None, ge=1)
    tensor_parallel_size: int = Field(default=1, ge=1)
    max_loras: int | None = Field(default=None, ge=0)
    max_lora_rank: int | None = Field(default=None, ge=1, le=RANKS[-1])


class LoadedModel:
    """A model in memory, with the adapters that were named to it."""

    def __init__(self, llm: "LLM", *, name: str, options: VllmOptions, rank: int) -> None:
        self.llm = llm
        self.name = name
        self.options = options
        self._rank = rank  # the largest there is room for; 0: no adapters at all
        self._adapters: dict[Any, LoRARequest] = {}
        self._numbers = count(1)

    def adapter(self, folder: str) -> "LoRARequest":
        """Return the adapter in a folder as vLLM wants it named: always the same while its files are the same.

        vLLM knows adapters by their number, so changed files get another. Raises EngineError if there is no room.
        """
        from vllm.lora.request import LoRARequest

        rank = _rank(folder)
        if rank > self._rank:
            raise EngineError(
                f"{self.name} was loaded with room for adapters up to rank {self._rank}, and {folder} has rank {rank}. "
                f"Give all systems on this model the options max_loras 1 (or more) and max_lora_rank {_room(rank)}."
            )
        key = (folder, stamp(folder))
        if key not in self._adapters:
            number = next(self._numbers)
            self._adapters[key] = LoRARequest(f"adapter-{number}", number, folder)
        return self._adapters[key]


class VllmEngine:
    """A loaded model with an adapter or none, and how it is to decode."""

    def __init__(self, model: LoadedModel, decoding: Decoding, *, adapter: str) -> None:
        self._model = model
        self._decoding = decoding
        self._adapter = model.adapter(adapter) if adapter else None
        self._usage = TokenUsage()
        tokenizer = model.llm.get_tokenizer()
        self._end_tokens = _end_tokens(model.llm)
        config = model.llm.llm_engine.model_config
        self._codec = Codec(
            tokenizer, decoding, context=config.max_model_len, vocabulary=config.get_vocab_size(),
            end_tokens=self._end_tokens, model=model.name,
        )  # fmt: skip

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
                [self._sampling(prompt) for prompt in prompts],
                lora_request=self._adapter,
                use_tqdm=False,
            )
        except VLLM_ERRORS as error:
            raise EngineError(f"vLLM cannot go on with {self._model.name}: {error}") from error
        seconds = (time.perf_counter() - started) / len(prompts)
        pairs = zip(prompts, outputs, strict=True)
        return [TokenAnswer(prompt, list(output.outputs[0].token_ids), seconds) for prompt, output in pairs]

    def _sampling(self, prompt: TokenPrompt) -> "SamplingParams":
        from vllm import SamplingParams

        decoding = self._decoding
        return SamplingParams(
            max_tokens=prompt.limit,
            min_tokens=min(decoding.min_new_tokens, prompt.limit),
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            # vLLM stops here to save time; the text itself is cut by the codec, as in the transformers engine.
            stop=list(decoding.stop) or None,
            stop_token_ids=self._end_tokens,
            # A number of its own per prompt, so that like prompts do not get the same random numbers.
            seed=decoding.seed + prompt.index if decoding.temperature > 0 else None,
        )


# Weak, so that a model is freed with the last engine that uses it.
_LOADED: WeakValueDictionary[Any, LoadedModel] = WeakValueDictionary()


def check(settings: EngineSettings) -> None:
    """Raise EngineError if the package, the settings or the local files cannot be used; loads nothing heavy."""
    require("vllm", ("vllm",), "requirements.txt")
    decoding, options = parse_decoding(settings.decoding), _parse_options(settings)
    check_files(settings, decoding)
    if settings.adapter and options.max_loras == 0:
        raise EngineError("The system has an adapter, but its options say max_loras 0: leave that out, or say 1.")
    if settings.adapter and _rank(settings.adapter) > (options.max_lora_rank or RANKS[-1]):
        raise EngineError(
            f"The adapter {settings.adapter} has rank {_rank(settings.adapter)}, and there is room for "
            f"{options.max_lora_rank or RANKS[-1]} at most (option max_lora_rank, vLLM's limit is {RANKS[-1]})."
        )


def create(settings: EngineSettings) -> VllmEngine:
    """Return the engine with its model loaded; raise EngineError if it cannot be."""
    check(settings)
    decoding, options = parse_decoding(settings.decoding), _parse_options(settings)
    return VllmEngine(_load(settings, decoding, options), decoding, adapter=settings.adapter)


def rehearse(settings: EngineSettings, asked: Rehearsal) -> Rehearsed:
    """Try tokenizer, chat template, context and adapter; raise EngineError for what would fail every time."""
    options = _parse_options(settings)
    return rehearse_files(settings, parse_decoding(settings.decoding), asked, context=options.max_model_len)


def _parse_options(settings: EngineSettings) -> VllmOptions:
    return parse_settings(VllmOptions, settings.options, "options of the vllm engine")


def _load(settings: EngineSettings, decoding: Decoding, options: VllmOptions) -> LoadedModel:
    """Return the model, loading it unless an engine of this process has it already."""
    key = (settings.model, stamp(settings.model), decoding.dtype)
    loaded = _LOADED.get(key)
    if loaded is None:
        rank = _rank_wanted(settings, options)
        llm = _new_llm(settings.model, decoding, options, rank=rank)
        loaded = _LOADED[key] = LoadedModel(llm, name=settings.model, options=options, rank=rank)
    if loaded.options != options:
        raise EngineError(
            f"{settings.model} is loaded already, for a system with other options: "
            f"{loaded.options.model_dump(exclude_unset=True)}. Give all systems on one model the same options."
        )
    return loaded


def _new_llm(name: str, decoding: Decoding, options: VllmOptions, *, rank: int) -> "LLM":
    from vllm import LLM

    lora: dict[str, Any] = {}
    if rank:
        most = options.max_loras or 1
        lora = {"max_loras": most, "max_lora_rank": rank, "max_cpu_loras": max(most, ADAPTERS_KEPT)}
    try:
        return LLM(
            model=name,
            dtype=decoding.dtype,
            gpu_memory_utilization=options.gpu_memory_utilization,
            max_model_len=options.max_model_len,
            tensor_parallel_size=options.tensor_parallel_size,
            enable_lora=bool(rank),
            **lora,
        )
    except VLLM_ERRORS as error:
        raise EngineError(f"vLLM cannot load {name}: {error}") from error


def _rank_wanted(settings: EngineSettings, options: VllmOptions) -> int:
    if options.max_loras == 0 or (options.max_loras is None and not settings.adapter):
        return 0
    return _room(options.max_lora_rank or _rank(settings.adapter))


def _rank(adapter: str) -> int:
    """Return the rank of an adapter; 1 for none and for a Hub name, whose files are not here to see."""
    return lora_rank(Path(adapter)) if adapter and Path(adapter).is_dir() else 1


def _room(rank: int) -> int:
    return next(one for one in RANKS if one >= rank)


def _end_tokens(llm: "LLM") -> list[int]:
    # A chat model may end its turns with other tokens than the tokenizer's, named in its generation settings.
    configured = llm.llm_engine.model_config.try_get_generation_config().get("eos_token_id")
    ids = configured if isinstance(configured, list) else [configured]
    return sorted({int(one) for one in [*ids, llm.get_tokenizer().eos_token_id] if one is not None})
