"""The vLLM engine: vLLM's offline engine in this process, with any number of LoRA adapters on one loaded base.

`System.model` is a folder or a Hub name, `System.adapter` that of a LoRA adapter on it. Prompts are turned into tokens
here, so that both engines that load models give a model the very same input. Under the dtype "auto", vLLM runs models
whose files are float32 in half precision.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from modelhub.engines.base import (
    Answer,
    EngineError,
    EngineSettings,
    GenerationFailure,
    GenerationRequest,
    GenerationResult,
)
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
        self._numbers = count()

    def next_name(self) -> str:
        """Return a name that no request to this model has had."""
        return f"request-{next(self._numbers)}"


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

    def stream(self, requests: Iterator[GenerationRequest], *, ahead: int) -> Generator[Answer]:
        """Yield every answer as it ends; vLLM's running batch is always full. Prompts that are too long fail."""
        llm = self._model.llm.llm_engine
        room = llm.vllm_config.scheduler_config.max_num_seqs + ahead
        under_way: dict[str, _Taken] = {}
        taken = 0
        try:
            while True:
                if room - len(under_way) > ahead // 2:
                    portion = list(islice(requests, room - len(under_way)))
                    yield from self._begin(portion, taken, under_way)
                    taken += len(portion)
                if not under_way:
                    return
                for name, ids in self._ended():
                    asked = under_way.pop(name)
                    answer = TokenAnswer(asked.prompt, ids, time.perf_counter() - asked.at)
                    yield self._counted(asked.number, self._codec.result(answer))
        except VLLM_ERRORS as error:
            raise EngineError(f"vLLM cannot go on with {self._model.name}: {error}") from error
        finally:
            if under_way:
                llm.abort_request(list(under_way))

    def _begin(
        self, portion: Sequence[GenerationRequest], first: int, under_way: "dict[str, _Taken]"
    ) -> Iterator[Answer]:
        """Give requests to vLLM, and yield the failures of those that it cannot be given."""
        prompts, failed = self._codec.encode(portion)
        for prompt in prompts:
            name, number = self._model.next_name(), first + prompt.index
            how = sampling(self._decoding, prompt, ends=self._ends, number=number)
            self._model.llm.llm_engine.add_request(
                name, {"prompt_token_ids": prompt.ids}, how, lora_request=self._adapter
            )
            under_way[name] = _Taken(number, prompt, time.perf_counter())
        for index, failure in failed.items():
            yield self._counted(first + index, failure)

    def _ended(self) -> Iterator[tuple[str, list[int]]]:
        """Let vLLM go one step, and yield what has ended: its name, and the tokens that were added."""
        from vllm import RequestOutput

        for output in self._model.llm.llm_engine.step():
            if output.finished:
                assert isinstance(output, RequestOutput)
                yield output.request_id, list(output.outputs[0].token_ids)

    def _counted(self, number: int, result: GenerationResult | GenerationFailure) -> Answer:
        self._usage.add([result])
        return number, result

    def usage(self) -> dict[str, Any]:
        """Return the requests answered and the tokens read and made."""
        return asdict(self._usage)


@dataclass(frozen=True)
class _Taken:
    """A prompt that vLLM is continuing: its number in the stream, and since when."""

    number: int
    prompt: TokenPrompt
    at: float


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
