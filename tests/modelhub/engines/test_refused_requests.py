"""What no request can get is asked for once and told with what helps; servers are left alone as long as they ask."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from queue import SimpleQueue
from typing import Any

import pytest

from modelhub.engines import load_live_engine
from modelhub.engines.base import EngineError, GenerationFailure, GenerationResult
from tests.modelhub.engines.asking import came_of
from tests.modelhub.engines.openai_asking import Waits, completion, engine, failure, request, settings
from tests.tools.faultproxy import FaultProxy, Reply

EXTRA = {"extra_body": {"top_k": 40}}
CHAT = {"decoding": {"chat": True}}


def openai(message: str, **error: Any) -> Reply:
    return Reply(400, {"error": {"message": message, "type": "invalid_request_error", **error}})


# As providers and servers write them (OpenAI, Mistral and FastAPI, Groq, Google, Anthropic, vLLM, xAI, DeepSeek).
REFUSALS: dict[str, tuple[Reply, dict[str, Any], str]] = {
    "another name for the limit": (
        openai(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'.",
            param="max_tokens", code="unsupported_parameter",
        ),
        {}, "Set the option max_tokens_parameter to max_completion_tokens.",
    ),
    "the old name for the limit": (
        Reply(422, {"detail": [{"loc": ["body", "max_completion_tokens"], "msg": "Extra inputs are not permitted"}]}),
        {"max_tokens_parameter": "max_completion_tokens"}, "the option max_tokens_parameter to max_tokens",
    ),
    "a limit above the model's": (
        openai("max_tokens is too large: 90000. This model supports at most 4096 completion tokens."),
        {}, "Give a smaller decoding setting max_new_tokens",
    ),
    "temperature 0": (
        openai(
            "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) is supported.",
            param="temperature", code="unsupported_value",
        ),
        {}, "temperature in the option leave_out",
    ),
    "a seed": (
        Reply(422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs."}]}),
        {}, "Put seed into the option leave_out.",
    ),
    "stop texts": (openai("'stop' is not supported with this model.", param="stop"), {}, "Put stop into the option"),
    "a setting of its own, named in words": (
        openai("Unrecognized request argument supplied: top_k"), EXTRA, "Take top_k out of the option extra_body.",
    ),
    "a setting of its own, in a list": (
        Reply(400, b'[{"error": {"code": 400, "message": "Unknown name \\"top_k\\": Cannot find field."}}]'),
        EXTRA, "Take top_k out of the option extra_body.",
    ),
    "no chat template": (openai("chat template is not supported by this tokenizer"), CHAT, "setting chat to false"),
    "a system message": (openai("System role not supported"), CHAT, "--persona-style that needs no system message"),
    "no such model": (openai("The model `a-model` does not exist"), {}, "It has no model 'a-model'"),
    "a model that is gone, in words": (
        openai("The model `a-model` has been decommissioned and is no longer supported."), {}, "It has no model",
    ),
    "a model that is gone": (openai("Gone.", code="model_decommissioned"), {}, "It has no model 'a-model'"),
    "no credit, as a bad request": (openai("Your credit balance is too low to access the API."), {}, "no credit left"),
    "no quota": (
        Reply(429, {"error": {"message": "You exceeded your current quota, please check your plan."}}),
        {}, "no credit left",
    ),
    "a bad key, as a bad request": (
        Reply(400, {"error": {"message": "API key not valid. Please pass a valid API key.", "status": "X"}}),
        {}, "does not accept the key",
    ),
}  # fmt: skip


@pytest.fixture(params=[*REFUSALS.values()], ids=[*REFUSALS])
def refused(request: pytest.FixtureRequest) -> tuple[Reply, dict[str, Any], str]:
    found: tuple[Reply, dict[str, Any], str] = request.param
    return found


def test_what_is_refused_of_every_request_is_sent_once_and_told_with_what_helps(
    proxy: FaultProxy, refused: tuple[Reply, dict[str, Any], str]
) -> None:
    reply, given, helps = refused
    proxy.plan(*[reply] * 9)
    with pytest.raises(EngineError) as ended:
        came_of(engine(proxy, concurrency=1, **given), [request()] * 9)
    assert helps in str(ended.value)
    assert len(proxy.seen) == 1


def ask_live(proxy: FaultProxy, **given: Any) -> GenerationResult | GenerationFailure:
    there = load_live_engine("openai", settings(proxy, **given))
    inbox: SimpleQueue[GenerationResult | GenerationFailure] = SimpleQueue()
    try:
        there.start(request(), inbox.put)
        return inbox.get(timeout=30)
    finally:
        there.close()


def test_a_worker_is_told_the_same_as_a_stage(proxy: FaultProxy, refused: tuple[Reply, dict[str, Any], str]) -> None:
    reply, given, helps = refused
    proxy.plan(reply)
    one = ask_live(proxy, **given)
    assert isinstance(one, GenerationFailure) and one.down and one.final and helps in one.error


def test_a_parameter_that_was_taken_before_is_not_what_a_server_refuses(proxy: FaultProxy) -> None:
    reply = openai("temperature: unexpected words in the prompt")
    proxy.plan(completion(), reply, completion())
    _, odd, last = came_of(engine(proxy, concurrency=1), [request()] * 3)
    assert isinstance(odd, GenerationFailure) and odd.final
    assert isinstance(last, GenerationResult)


@pytest.mark.parametrize(
    "prompt", ["Why is my seed not supported?", "I have insufficient funds.", "Is my API key not valid?"]
)
def test_what_a_server_quotes_of_a_prompt_is_not_its_own_word(proxy: FaultProxy, prompt: str) -> None:
    proxy.plan(Reply(400, {"error": {"message": f"Cannot read: {prompt}"}}), completion())
    bad, good = came_of(engine(proxy, concurrency=1), [request(prompt), request()])
    assert isinstance(bad, GenerationFailure) and bad.final
    assert isinstance(good, GenerationResult)


@pytest.mark.parametrize(
    "message",
    [
        "'max_tokens' is too large: 90. This model's maximum context length is 64 tokens and your request has 10.",
        "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens",
        "prompt is too long: 200001 tokens > 200000 maximum",
    ],
)
def test_a_prompt_that_is_too_long_fails_alone(proxy: FaultProxy, message: str) -> None:
    proxy.plan(openai(message), completion())
    bad, good = came_of(engine(proxy, concurrency=1), [request()] * 2)
    assert isinstance(bad, GenerationFailure) and bad.final and "max_new_tokens, seems to be longer" in bad.error
    assert isinstance(good, GenerationResult)


def test_a_prompt_that_moderation_forbids_is_no_key_that_is_refused(proxy: FaultProxy) -> None:
    flagged = {"error": {"message": "This model requires moderation, and your input was flagged."}}
    proxy.plan(Reply(403, flagged), completion())
    bad, good = came_of(engine(proxy, concurrency=1), [request()] * 2)
    assert isinstance(bad, GenerationFailure) and bad.final and "content_filter" in bad.error
    assert isinstance(good, GenerationResult)


# Waiting

LIMIT = "x-ratelimit-reset-requests"
WAITS: dict[str, tuple[dict[str, str], str, float, float]] = {
    "milliseconds": ({"retry-after-ms": "30500"}, "", 30.5, 31.5),
    "milliseconds before seconds": ({"retry-after-ms": "2500", "Retry-After": "40"}, "", 2.5, 3.5),
    "decimals": ({"Retry-After": "12.5"}, "", 12.5, 13.5),
    "a short time until the limit begins anew": ({LIMIT: "120ms"}, "", 0.12, 1.2),
    "minutes until the limit begins anew": ({LIMIT: "1m0s"}, "", 60, 61),
    "the limit that is used up": (
        {LIMIT: "1h", "x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-tokens": "7.66s"}, "", 7.66, 8.66,
    ),
    "seconds in words": ({}, "Rate limit reached. Please try again in 20s. Visit us.", 20, 21),
    "milliseconds in words": ({}, "Please try again in 120ms.", 0.12, 1.2),
    "minutes in words": ({}, "Please try again in 1m26.4s.", 86.4, 87.4),
    "a unit that is written out": ({}, "Please retry after 20 seconds.", 20, 21),
    "words that are no time": ({}, "Please try again in a while.", 0.5, 1),
    "what is less than nothing": ({"Retry-After": "-5"}, "", 0.5, 1),
    "no number": ({"Retry-After": "nan", "retry-after-ms": "inf", LIMIT: "soon"}, "", 0.5, 1),
}  # fmt: skip


@pytest.mark.parametrize(("headers", "message", "least", "most"), WAITS.values(), ids=WAITS)
def test_a_server_is_left_alone_for_as_long_as_it_asks(
    proxy: FaultProxy, headers: dict[str, str], message: str, least: float, most: float
) -> None:
    proxy.plan(Reply(429, {"error": {"message": message}}, headers), completion())
    waits = Waits()
    came_of(engine(proxy, waits), [request()])
    assert least <= waits[0] <= most


def test_a_date_to_come_is_waited_for(proxy: FaultProxy) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    proxy.plan(Reply(429, b"", {"Retry-After": soon}), completion())
    waits = Waits()
    came_of(engine(proxy, waits), [request()])
    assert 60 < waits[0] <= 101


@pytest.mark.parametrize("headers", [{LIMIT: "6m0s"}, {"retry-after-ms": "999999"}])
def test_whoever_asks_for_too_long_a_wait_is_not_waited_for_however_it_asks(
    proxy: FaultProxy, headers: dict[str, str]
) -> None:
    proxy.plan(Reply(429, b"", headers))
    assert "asks for a wait of more than 120 s" in failure(proxy).error


def test_a_worker_looks_again_after_max_wait_seconds_at_the_latest(proxy: FaultProxy) -> None:
    proxy.plan(Reply(429, b"", {"Retry-After": "1000000"}))
    one = ask_live(proxy, max_wait_seconds=45)
    assert isinstance(one, GenerationFailure) and one.down and not one.final and one.wait == 45
