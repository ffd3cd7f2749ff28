"""Openai engines before a proxy, and what they are asked."""

from typing import Any

from modelhub.engines.base import EngineSettings, GenerationFailure, GenerationRequest, GenerationResult
from modelhub.engines.openai.engine import OpenAIEngine
from modelhub.engines.openai.settings import read_settings
from tests.modelhub.engines.asking import came_of
from tests.tools.faultproxy import FaultProxy, Reply

KEY = "sk-very-secret-4711"
VARIABLE = "MODEL_SERVER_KEY"
SHORT = {"max_new_tokens": 32, "min_new_tokens": 0}


class Waits(list[float]):
    """Stands for asyncio.sleep: keeps what it was asked for and returns at once."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def settings(
    proxy: FaultProxy, *, model: str = "a-model", decoding: dict[str, Any] | None = None, **options: Any
) -> EngineSettings:
    return EngineSettings(
        model=model, endpoint=proxy.url, decoding=SHORT | (decoding or {}), options={"timeout_seconds": 30, **options}
    )


def engine(proxy: FaultProxy, waits: Waits | None = None, **given: Any) -> OpenAIEngine:
    return OpenAIEngine(read_settings(settings(proxy, **given)), sleep=waits if waits is not None else Waits())


def request(prompt: str = "How do I sleep?", *, system_message: str = "") -> GenerationRequest:
    return GenerationRequest(rendered=prompt, prompt=prompt, persona="", system_message=system_message)


def completion(text: str = "Well.", *, finish: str = "stop", tokens: tuple[int, int] | None = None) -> Reply:
    usage = {"usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}} if tokens else {}
    return Reply(200, {"choices": [{"text": text, "finish_reason": finish}]} | usage)


def answer(proxy: FaultProxy, **given: Any) -> GenerationResult | GenerationFailure:
    return came_of(engine(proxy, **given), [request()])[0]


def result(proxy: FaultProxy, **given: Any) -> GenerationResult:
    one = answer(proxy, **given)
    assert isinstance(one, GenerationResult), one
    return one


def failure(proxy: FaultProxy, **given: Any) -> GenerationFailure:
    one = answer(proxy, **given)
    assert isinstance(one, GenerationFailure), one
    return one


def settings_for(endpoint: str = "http://127.0.0.1:8000/v1", **given: Any) -> EngineSettings:
    return EngineSettings(**{"model": "a-model", "endpoint": endpoint, **given})
