"""Engines by name. An engine module offers two functions:

- `check(settings)` raises EngineError for settings it cannot use, without loading anything heavy;
- `create(settings)` returns a loaded `base.Engine`.
"""

from importlib import import_module
from typing import Protocol, cast

from modelhub.engines.base import Engine, EngineError, EngineSettings

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
