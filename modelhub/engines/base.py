"""What an engine is: prompts in, texts out. Nothing here knows of studies, arms or the database."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from annotation.errors import ServiceError
from modelhub.prompting.endings import FinishReason
from modelhub.prompting.procedures import StepPlan


class EngineError(ServiceError):
    """An engine cannot be set up or cannot go on. The message says why and what to do, without any prompt text."""


@dataclass(frozen=True)
class EngineSettings:
    """What makes a system, free of the database: the same settings give the same engine.

    `decoding` shapes the answers and is part of a system's fingerprint; `options` say how they are computed (batch
    size, device, time limits, prices) and are not. `endpoint` is the address of a server, for engines that use one.
    """

    model: str
    adapter: str = ""
    endpoint: str = ""
    decoding: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GenerationRequest:
    """One answer to be made.

    `rendered` is what a language model is given, after `system_message` if there is one; `prompt` and `persona` are
    its parts, for engines that do not read text as a model does. `persona` is empty where the system is not shown one.
    The first `shared` characters of `rendered` are the same in many requests, such as exemplars: they are kept once.
    With a `plan`, `rendered` is the first of several requests; `engines.stepwise` makes the others. `steps` says what
    was done before anything is asked, such as which exemplars were retrieved: kept with the answer.
    """

    rendered: str
    prompt: str
    persona: str
    system_message: str = ""
    shared: int = 0
    plan: StepPlan | None = None
    steps: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class GenerationResult:
    """One answer. `length` means that it was cut off; one that the model or its server refuses has an empty text, and
    its finish reason says so (`endings.REFUSALS`). Token counts are None where the engine does not count.

    `seconds` is wall time; where answers are made in batches, the batch's time divided by its size. `served` is what a
    server says of itself beside the answer: the model's name as it knows it, its fingerprint of the system.

    Of an answer in several steps, tokens and seconds are those of all of them, `asked` is the last request, and
    `steps` has what came of those before.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float
    served: Mapping[str, Any] = field(default_factory=dict)
    asked: GenerationRequest | None = None
    steps: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class GenerationFailure:
    """One answer that could not be made, while others of its batch could. `error` holds no prompt text.

    `final` means that asking again would not help, such as a prompt longer than the model's context. `kind` is a
    sentence for all failures of its kind, where `error` holds what is of this one alone, such as its length. `down`
    means that the engine can answer nobody at the moment, and `wait` (s) that it asks to be left alone for so long.
    Both `final` and `down`: it can answer nobody before somebody has changed its settings, its key or its account.
    """

    error: str
    final: bool = False
    kind: str = ""
    down: bool = False
    wait: float | None = None


Deliver = Callable[[GenerationResult | GenerationFailure], None]
Cancel = Callable[[], object]


Answer = tuple[int, GenerationResult | GenerationFailure]
"""The number of a request, in the order in which they were taken, and what came of it."""


class Engine(Protocol):
    """A loaded engine, as stages see it."""

    def stream(self, requests: Iterator[GenerationRequest], *, ahead: int) -> Generator[Answer]:
        """Yield every answer as it is made, in any order, and keep at most `ahead` more requests at hand than it needs.

        `requests` are taken in the caller's thread, whenever the next answer is asked for. Raises EngineError if the
        engine cannot go on, when all that it has made is yielded. Whoever closes the iterator ends what is under way.
        """

    def usage(self) -> dict[str, Any]:
        """Return what was used since the engine was created (requests, tokens, cost), empty if it does not count."""


class BatchEngine(Protocol):
    """A loaded engine that answers one batch after the other."""

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GenerationResult | GenerationFailure]:
        """Return one result or failure per request, in their order; raise EngineError if the engine cannot go on."""


class LiveEngine(Protocol):
    """A loaded engine that takes requests one by one, at any time, and answers each as soon as it can."""

    slots: int
    """How many requests it answers at once; more would only wait for each other."""

    def start(self, request: GenerationRequest, deliver: Deliver) -> Cancel:
        """Begin an answer and return at once; the returned function gives it up.

        `deliver` is called once, in any thread, unless the answer is given up first.
        """

    def served(self) -> Mapping[str, Any]:
        """Return what stands behind the engine as it says itself, {} where there is nobody to ask.

        Raises EngineError if it does not say so within a few seconds: then it can answer nobody.
        """

    def close(self) -> None:
        """Give up what is under way and free what the engine holds."""
