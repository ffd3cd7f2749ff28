"""Engines by name. An engine module offers two functions:

- `check(settings)` raises EngineError for settings it cannot use, without loading anything heavy;
- `create(settings)` returns a loaded `base.Engine`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Protocol, cast

from modelhub.engines.base import (
    Engine,
    EngineError,
    EngineSettings,
    GenerationFailure,
    GenerationRequest,
    GenerationResult,
)
from modelhub.prompting.endings import NEXT_PROMPT, completion

_MODULES = {
    "openai": "modelhub.engines.openai.engine",
    "scripted": "modelhub.engines.scripted",
    "transformers": "modelhub.engines.transformers.engine",
    "vllm": "modelhub.engines.vllm",
}

# Outputs that were made elsewhere and read from files: a system has this engine, but nothing can be generated.
IMPORTED = "imported"
SCRIPTED = "scripted"
# The options, of any engine, that can change answers: part of a system's fingerprint, as its decoding is.
SHAPING_OPTIONS = frozenset({"extra_body", "leave_out"})


class EngineModule(Protocol):
    """What a module listed above has to offer."""

    def check(self, settings: EngineSettings) -> None: ...

    def create(self, settings: EngineSettings) -> Engine: ...


def engine_module(name: str) -> EngineModule:
    """Return the module of the engine called `name`; raise EngineError naming the known ones otherwise."""
    if name not in _MODULES:
        raise EngineError(f"There is no engine called {name!r}. Known engines: {', '.join(sorted(_MODULES))}.")
    return cast(EngineModule, import_module(_MODULES[name]))


def load_engine(name: str, settings: EngineSettings, *, stop: Sequence[str] = NEXT_PROMPT) -> Engine:
    """Return the loaded engine called `name`, every answer of which ends by the one rule of `prompting.endings`.

    `stop` are the stop texts where the decoding settings name none. Raises EngineError as `create` does.
    """
    engine = engine_module(name).create(settings)
    return _EndedAnswers(engine, tuple(settings.decoding.get("stop", stop)))


@dataclass(frozen=True)
class _EndedAnswers:
    """An engine as its callers see it: whatever it leaves behind the end of an answer is gone."""

    engine: Engine
    stop: Sequence[str]

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GenerationResult | GenerationFailure]:
        return [self._ended(result) for result in self.engine.generate(requests)]

    def usage(self) -> dict[str, Any]:
        return self.engine.usage()

    def _ended(self, result: GenerationResult | GenerationFailure) -> GenerationResult | GenerationFailure:
        if isinstance(result, GenerationFailure):
            return result
        made = completion(result.text, stop=self.stop, reported=result.finish_reason)
        return replace(result, text=made.text, finish_reason=made.finish_reason)
