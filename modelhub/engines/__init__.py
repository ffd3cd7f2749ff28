"""Engines by name. An engine module offers two functions:

- `check(settings)` raises EngineError for settings it cannot use, without loading anything heavy;
- `create(settings)` returns a loaded `base.Engine`.

One that can take a request while it answers others offers `live(settings)` as well, which returns a `base.LiveEngine`.
One that can try what a system will be asked, without loading a model, offers `rehearse(settings, asked)`.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Protocol, cast

from modelhub.engines.base import (
    Answer,
    BatchEngine,
    Cancel,
    Deliver,
    Engine,
    EngineError,
    EngineSettings,
    GenerationFailure,
    GenerationRequest,
    GenerationResult,
    LiveEngine,
)
from modelhub.engines.batched import BatchedEngine
from modelhub.engines.rehearsal import Rehearsal, Rehearsed
from modelhub.engines.stepwise import StepwiseEngine, StepwiseLiveEngine
from modelhub.prompting.endings import NEXT_PROMPT, completion

_MODULES = {
    "openai": "modelhub.engines.openai.engine",
    "scripted": "modelhub.engines.scripted",
    "transformers": "modelhub.engines.transformers.engine",
    "vllm": "modelhub.engines.vllm.engine",
}

# Outputs that were made elsewhere and read from files: a system has this engine, but nothing can be generated.
IMPORTED = "imported"
SCRIPTED = "scripted"
BATCHED_SLOTS = 8  # of an engine that answers batches alone
# The options, of any engine, that can change answers: part of a system's fingerprint, as its decoding is.
SHAPING_OPTIONS = frozenset({"extra_body", "leave_out", "quantization", "kv_cache_dtype"})


class EngineModule(Protocol):
    """What a module listed above has to offer."""

    def check(self, settings: EngineSettings) -> None: ...

    def create(self, settings: EngineSettings) -> Engine: ...


class RehearsingModule(Protocol):
    """What one has to offer that can try what a system will be asked."""

    def rehearse(self, settings: EngineSettings, asked: Rehearsal) -> Rehearsed: ...


def engine_module(name: str) -> EngineModule:
    """Return the module of the engine called `name`; raise EngineError naming the known ones otherwise."""
    if name not in _MODULES:
        raise EngineError(f"There is no engine called {name!r}. Known engines: {', '.join(sorted(_MODULES))}.")
    return cast(EngineModule, import_module(_MODULES[name]))


def load_engine(name: str, settings: EngineSettings, *, stop: Sequence[str] = NEXT_PROMPT) -> Engine:
    """Return the loaded engine called `name`, every answer of which ends by the one rule of `prompting.endings`.

    It answers requests with a plan step by step. `stop` are the stop texts where the decoding settings name none.
    Raises EngineError as `create` does.
    """
    engine = engine_module(name).create(settings)
    return StepwiseEngine(_EndedAnswers(engine, tuple(settings.decoding.get("stop", stop))))


def load_live_engine(name: str, settings: EngineSettings, *, stop: Sequence[str] = NEXT_PROMPT) -> LiveEngine:
    """Return the engine called `name`, loaded to take requests at any time; else as `load_engine`."""
    module = engine_module(name)
    live = getattr(module, "live", None)
    if live is None:
        engine: LiveEngine = BatchedEngine(cast(BatchEngine, module.create(settings)), slots=BATCHED_SLOTS)
    else:
        engine = live(settings)
    return StepwiseLiveEngine(_EndedLiveAnswers(engine, tuple(settings.decoding.get("stop", stop))))


@dataclass(frozen=True)
class _EndedAnswers:
    """An engine as its callers see it: whatever it leaves behind the end of an answer is gone."""

    engine: Engine
    stop: Sequence[str]

    def stream(self, requests: Iterator[GenerationRequest], *, ahead: int) -> Generator[Answer]:
        with closing(self.engine.stream(requests, ahead=ahead)) as answers:
            for number, result in answers:
                yield number, _ended(result, self.stop)

    def usage(self) -> dict[str, Any]:
        return self.engine.usage()


class _EndedLiveAnswers:
    """The same of a live engine."""

    def __init__(self, engine: LiveEngine, stop: Sequence[str]) -> None:
        self._engine = engine
        self._stop = stop
        self.slots = engine.slots

    def start(self, request: GenerationRequest, deliver: Deliver) -> Cancel:
        return self._engine.start(request, lambda result: deliver(_ended(result, self._stop)))

    def served(self) -> Mapping[str, Any]:
        return self._engine.served()

    def close(self) -> None:
        self._engine.close()


def _ended(result: GenerationResult | GenerationFailure, stop: Sequence[str]) -> GenerationResult | GenerationFailure:
    if isinstance(result, GenerationFailure):
        return result
    made = completion(result.text, stop=stop, reported=result.finish_reason)
    return replace(result, text=made.text, finish_reason=made.finish_reason)
