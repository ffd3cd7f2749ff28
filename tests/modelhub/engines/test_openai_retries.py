"""What the openai engine does when a request goes wrong, and what it counts."""

import json
import logging

import pytest

from modelhub.engines.base import EngineError, GenerationFailure, GenerationRequest, GenerationResult
from modelhub.engines.openai.engine import OpenAIEngine
from tests.modelhub.engines.asking import came_of
from tests.modelhub.engines.openai_asking import (
    KEY,
    VARIABLE,
    Waits,
    answer,
    completion,
    engine,
    failure,
    request,
    result,
)
from tests.tools.faultproxy import FaultProxy, Hang, Reply

TROUBLES = {
    "too many requests": Reply(429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}),
    "server error": Reply(500, b"oops"),
    "overloaded": Reply(529, b""),
    "not JSON": Reply(200, b"<html>hello</html>", {"Content-Type": "text/html"}),
    "half JSON": Reply(200, b'{"choices": [{"te'),
    "bottomless JSON": Reply(200, b"[" * 100_000),
    "no object": Reply(200, b"[1, 2]"),
    "no choices": Reply(200, {"object": "text_completion"}),
    "choices that are none": Reply(200, {"choices": {"text": "a"}}),
    "empty choices": Reply(200, {"choices": []}),
    "a choice that is none": Reply(200, {"choices": [None]}),
    "no text": Reply(200, {"choices": [{"index": 0}]}),
    "null text": Reply(200, {"choices": [{"text": None}]}),
}


# Trying again


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_trouble_is_tried_again(proxy: FaultProxy, trouble: Reply) -> None:
    proxy.plan(trouble, trouble, completion())
    there = engine(proxy)
    assert came_of(there, [request()])[0].text == "Well."
    assert there.usage() == {
        "requests": 3, "retries": 2, "failed": 0, "prompt_tokens": 0, "completion_tokens": 0, "cost": None,
    }  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_trouble_that_does_not_end_is_a_failure_with_its_reason(proxy: FaultProxy, trouble: Reply) -> None:
    proxy.plan(trouble, trouble, trouble)
    there = engine(proxy, max_retries=2)
    one = came_of(there, [request()])[0]
    assert isinstance(one, GenerationFailure)
    assert one.error.startswith("The server ")
    assert one.error.endswith("Attempts: 3.")
    assert not one.final
    assert len(proxy.seen) == 3
    assert there.usage()["failed"] == 1


def until_it_ends(there: OpenAIEngine, asked: list[GenerationRequest]) -> tuple[list[str], str]:
    """Return the texts that were made, and why no more were."""
    made: list[str] = []
    with pytest.raises(EngineError) as ended:
        for _, one in there.stream(iter(asked), ahead=len(asked)):
            assert isinstance(one, GenerationResult)
            made.append(one.text)
    return made, str(ended.value)


def test_a_slow_answer_is_given_up_and_asked_for_again(proxy: FaultProxy) -> None:
    proxy.plan(Hang(), completion())
    assert result(proxy, timeout_seconds=1).text == "Well."
    assert len(proxy.seen) == 2


def test_a_server_that_stays_slow_is_a_failure(proxy: FaultProxy) -> None:
    proxy.plan(Hang())
    assert failure(proxy, timeout_seconds=0.2, max_retries=0).error == (
        "The server gave no answer within 0.2 s. Attempts: 1."
    )


def test_a_server_that_is_not_there_is_a_failure(proxy: FaultProxy) -> None:
    proxy.stop()
    one = failure(proxy, max_retries=1)
    assert one.error.startswith("The connection to the server could not be made (ClientConnectorError).")


def test_waits_double_with_jitter(proxy: FaultProxy) -> None:
    proxy.plan(*[Reply(500)] * 8, completion())
    waits = Waits()
    came_of(engine(proxy, waits, max_retries=8), [request()])
    for wait, most in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60], strict=True):
        assert most / 2 <= wait < most
    assert len({wait / most for wait, most in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60], strict=True)}) > 1


def test_the_server_says_how_long_to_wait(proxy: FaultProxy) -> None:
    soon = {"Retry-After": "90"}
    proxy.plan(Reply(429, b"", soon), Reply(503, b"", soon), Reply(429, b"", {"Retry-After": "soon"}), completion())
    waits = Waits()
    came_of(engine(proxy, waits), [request()])
    assert [90 <= wait <= 91 for wait in waits] == [True, True, False]


def test_a_date_says_how_long_to_wait_too(proxy: FaultProxy) -> None:
    # A date in the past asks for no wait at all, so the engine's own holds.
    proxy.plan(Reply(429, b"", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), completion())
    waits = Waits()
    came_of(engine(proxy, waits), [request()])
    assert 0.5 <= waits[0] < 1
    proxy.plan(Reply(429, b"", {"Retry-After": "Wed, 21 Oct 2065 07:28:00 GMT"}))
    assert "a wait of more than 120 s" in failure(proxy).error


def test_a_server_that_asks_for_too_long_a_wait_is_not_asked_again(proxy: FaultProxy) -> None:
    proxy.plan(Reply(429, b"", {"Retry-After": "3600"}))
    waits = Waits()
    one = came_of(engine(proxy, waits, max_wait_seconds=100), [request()])[0]
    assert one == GenerationFailure(
        "The server answered HTTP 429 (Too Many Requests). It asks for a wait of more than 100 s (max_wait_seconds)."
    )
    assert waits == []


def test_retries_are_logged_without_any_text(proxy: FaultProxy, caplog: pytest.LogCaptureFixture) -> None:
    proxy.plan(Reply(500, b"How do I sleep?"), completion())
    with caplog.at_level(logging.INFO):
        result(proxy)
    assert "HTTP 500 (Internal Server Error). Attempt 1; the next one in" in caplog.text
    assert "sleep?" not in caplog.text


# Refusals


def test_a_bad_request_is_final(proxy: FaultProxy) -> None:
    message = "This model's maximum context length is 64 tokens, and your prompt is How do I sleep?"
    proxy.plan(Reply(400, {"error": {"message": message, "code": "context_length_exceeded"}}), completion())
    bad, good = came_of(engine(proxy, concurrency=1), [request(), request()])
    assert bad == GenerationFailure(
        "The server answered HTTP 400 (Bad Request, context_length_exceeded); the prompt, with the answer's "
        "max_new_tokens, seems to be longer than the model's context.",
        final=True,
    )
    assert good.text == "Well."


@pytest.mark.parametrize(
    ("refusal", "text"),
    [
        (Reply(401), f"does not accept the key in the environment variable {VARIABLE}"),
        (Reply(402), "has no credit left"),
        (Reply(403), "may not be used for model 'a-model'"),
        (Reply(404), "It has no model 'a-model'"),
        (Reply(405), "It has no model 'a-model'"),
        (Reply(429, {"error": {"code": "insufficient_quota"}}), "has no credit left"),
        (Reply(308, b"", {"Location": "https://elsewhere.example/v1"}), "It sends requests to another address"),
    ],
)
def test_what_makes_every_request_useless_ends_it_at_once(
    proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, refusal: Reply, text: str
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    proxy.plan(*[refusal] * 20)
    with pytest.raises(EngineError, match=text):
        came_of(engine(proxy, api_key_variable=VARIABLE, concurrency=2), [request()] * 20)
    assert len(proxy.seen) <= 2  # one per place; the others were not sent any more


def test_a_server_that_wants_a_key_says_how_to_give_it(proxy: FaultProxy) -> None:
    proxy.plan(Reply(401))
    with pytest.raises(EngineError, match="in the option api_key_variable"):
        answer(proxy)


def test_answers_made_before_a_key_was_withdrawn_are_kept(proxy: FaultProxy) -> None:
    proxy.plan(completion("One."), Reply(401), Reply(401))
    made, reason = until_it_ends(engine(proxy, concurrency=1), [request()] * 3)
    assert made == ["One."]
    assert "does not accept the key" in reason or "wants a key" in reason
    assert len(proxy.seen) == 2


# Budget and cost


def test_the_budget_counts_every_attempt_and_answers_already_made_are_kept(proxy: FaultProxy) -> None:
    proxy.plan(Reply(500), completion("One."), completion("Two."), completion("Three."))
    there = engine(proxy, max_requests=3, concurrency=1)
    made, reason = until_it_ends(there, [request()] * 3)
    assert made == ["One.", "Two."]
    assert reason == "The budget of 3 requests (max_requests) is used up. Raise it, and the same command goes on."
    assert until_it_ends(there, [request()]) == ([], reason)
    assert len(proxy.seen) == 3
    assert (there.usage()["requests"], there.usage()["retries"], there.usage()["failed"]) == (3, 1, 0)


def test_a_budget_that_gives_no_answer_raises(proxy: FaultProxy) -> None:
    proxy.plan(*[Reply(500)] * 3)
    with pytest.raises(EngineError, match="budget of 2 requests"):
        came_of(engine(proxy, max_requests=2), [request()])


def test_many_requests_at_once_never_exceed_the_budget(proxy: FaultProxy) -> None:
    proxy.plan(*[completion()] * 40)
    made, _ = until_it_ends(engine(proxy, max_requests=10, concurrency=8), [request()] * 40)
    assert len(made) == len(proxy.seen) == 10


def test_the_cost_counts_every_reply_with_tokens(proxy: FaultProxy) -> None:
    empty = Reply(200, {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 0}})
    proxy.plan(empty, completion(tokens=(1000, 100)), completion(tokens=(1000, 100)))
    there = engine(proxy, price_per_million_prompt_tokens=2.5, price_per_million_completion_tokens=10)
    came_of(there, [request(), request()])
    usage = there.usage()
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (3000, 200)
    assert usage["cost"] == pytest.approx(3000 * 2.5e-6 + 200 * 10e-6)
    json.dumps(usage)
