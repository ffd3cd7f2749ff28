"""What an engine is: prompts in, texts out. Nothing here knows of studies, arms or the database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

FinishReason = Literal["stop", "length", "unknown"]


class EngineError(Exception):
    """An engine cannot be set up, or a batch failed. The message says why and what to do, without any prompt text."""


@dataclass(frozen=True)
class EngineSettings:
    """What makes a system, free of the database: the same settings give the same engine."""

    model: str
    adapter: str = ""
    decoding: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GenerationRequest:
    """One answer to be made.

    `rendered` is what a language model is given; `prompt` and `persona` are its parts, for engines that do not
    read text as a model does. `persona` is empty where the system is not shown one.
    """

    rendered: str
    prompt: str
    persona: str


@dataclass(frozen=True)
class GenerationResult:
    """One answer. `length` means that it was cut off; token counts are None where the engine does not count."""

    text: str
    finish_reason: FinishReason
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float


class Engine(Protocol):
    """A loaded engine."""

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GenerationResult]:
        """Return one result per request, in their order; raise EngineError if the batch could not be made."""
