"""Ask the engines that load models, in tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelhub.engines import engine_module
from modelhub.engines.base import Engine, EngineSettings, GenerationFailure, GenerationRequest, GenerationResult
from tests.tools.tinymodels import texts

# A little more than the longest of the learned answers, in tokens.
LENGTH = 48


def load(
    engine: str, model: Path, adapter: Path | str = "", *, options: dict[str, Any] | None = None, **decoding: Any
) -> Engine:
    """Return an engine for a model and an adapter; `decoding` is added to a length that suits the tiny model."""
    decoding = {"max_new_tokens": LENGTH, "dtype": "float32"} | decoding
    return engine_module(engine).create(
        EngineSettings(str(model), str(adapter), decoding=decoding, options=options or {})
    )


def request(rendered: str, system_message: str = "") -> GenerationRequest:
    return GenerationRequest(rendered=rendered, prompt=rendered, persona="", system_message=system_message)


def requests(count: int = 12) -> list[GenerationRequest]:
    """Return prompts of different lengths: learned ones, a few with a persona, which are strange to the model."""
    learned = [prompt for prompt, _ in texts()]
    strange = [
        prompt.replace("\n", f"\nPersona: The user has {number} children and prefers a clear answer.\n")
        for number, prompt in enumerate(learned[:4])
    ]
    return [request(text) for text in (strange + learned)[:count]]


def came_of(engine: Engine, asked: Sequence[GenerationRequest]) -> list[GenerationResult | GenerationFailure]:
    """Return what came of each request, in their order."""
    made = dict(engine.stream(iter(asked), ahead=max(1, len(asked))))
    return [made[number] for number in range(len(asked))]


def answers(engine: Engine, asked: Sequence[GenerationRequest]) -> list[GenerationResult]:
    """Return the answers, all of which must have been made."""
    came = came_of(engine, asked)
    made = [result for result in came if isinstance(result, GenerationResult)]
    assert len(made) == len(asked), came
    return made


def essence(results: Sequence[GenerationResult]) -> list[tuple[str, str, int | None, int | None]]:
    """Return everything of results but their timing."""
    return [(one.text, one.finish_reason, one.prompt_tokens, one.completion_tokens) for one in results]


def length(result: GenerationResult) -> int:
    """Return the number of tokens of an answer."""
    assert result.completion_tokens is not None
    return result.completion_tokens
