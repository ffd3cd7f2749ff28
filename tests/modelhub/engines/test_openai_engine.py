"""The openai engine before a real model server: what is sent, what comes back, under whatever threads and loops."""

import asyncio
import gc
import json
import os
import signal
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from modelhub.engines import engine_module
from modelhub.engines.base import EngineError, EngineSettings, GenerationFailure, GenerationRequest, GenerationResult
from modelhub.engines.openai.engine import create
from tests.modelhub.engines.asking import came_of
from tests.modelhub.engines.openai_asking import (
    SHORT,
    Waits,
    answer,
    completion,
    engine,
    failure,
    request,
    result,
)
from tests.tools.faultproxy import Cut, FaultProxy, Hang, Reply, Step
from tests.tools.modelserver import ModelServer
from tests.tools.processes import wait_until
from tests.tools.tinymodels import texts

# A real server


def ours(model: str, requests: list[GenerationRequest], **decoding: Any) -> list[tuple[str, str, int | None]]:
    """What the transformers engine answers, with the same model."""
    there = engine_module("transformers").create(EngineSettings(model=model, decoding=SHORT | decoding))
    return [comparable(one) for one in came_of(there, requests)]


def comparable(one: GenerationResult | GenerationFailure) -> tuple[str, str, int | None]:
    assert isinstance(one, GenerationResult), one
    return one.text, one.finish_reason, one.prompt_tokens


def test_after_every_kind_of_fault_the_answers_are_those_of_the_model(
    before_model: FaultProxy, model_server: ModelServer
) -> None:
    requests = [request(prompt) for prompt, _ in texts()[:6]]
    faults: list[Step] = [
        Reply(429, b"", {"Retry-After": "2"}),
        Reply(500),
        Cut(),
        Reply(200, b"garbage"),
        Cut(),
        Reply(503),
    ]
    before_model.plan(*faults)
    waits = Waits()
    there = engine(before_model, waits, model=model_server.model)
    results = came_of(there, requests)
    assert [comparable(one) for one in results] == ours(model_server.model, requests)
    assert len({one.text for one in results}) == len(requests)
    assert len(before_model.seen) == len(requests) + len(faults)
    assert len(waits) == len(faults)
    assert there.usage()["retries"] == len(faults)


def test_chat_sends_prompt_and_system_message_under_the_chat_template(
    before_model: FaultProxy, model_server: ModelServer
) -> None:
    requests = [request(f"How do I {task}?", system_message="Be kind.") for task in ("grow tomatoes", "cook rice well")]
    there = engine(before_model, model=model_server.model, decoding={"chat": True})
    assert [comparable(one) for one in came_of(there, requests)] == ours(model_server.model, requests, chat=True)
    assert {seen.path for seen in before_model.seen} == {"/v1/chat/completions"}
    assert before_model.seen[0].body["messages"][0] == {"role": "system", "content": "Be kind."}


def test_the_stop_text_is_cut_where_the_server_leaves_it_in(
    before_model: FaultProxy, model_server: ModelServer
) -> None:
    prompt, learned = texts()[0]
    stop = " it every"
    assert stop in learned
    raw = {"model": model_server.model, "prompt": prompt, "stop": [stop], "max_tokens": 32}
    asked = urllib.request.Request(
        f"{model_server.url}/completions", json.dumps(raw).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked) as response:
        assert json.load(response)["choices"][0]["text"].endswith(stop)
    there = engine(before_model, model=model_server.model, decoding={"stop": [stop]})
    one = came_of(there, [request(prompt)])[0]
    assert comparable(one)[:2] == (learned.partition(stop)[0], "stop")
    assert before_model.seen[0].body["stop"] == [stop]


def test_requests_are_under_way_together_and_never_more_than_allowed(
    before_model: FaultProxy, model_server: ModelServer
) -> None:
    before_model.gather(3)  # none goes on before three have come
    requests = [request(prompt) for prompt, _ in texts()[:9]]
    results = came_of(engine(before_model, model=model_server.model, concurrency=3), requests)
    assert [comparable(one) for one in results] == ours(model_server.model, requests)
    assert before_model.peak == 3


def test_a_model_that_the_server_does_not_have_ends_it_at_once(before_model: FaultProxy) -> None:
    with pytest.raises(EngineError, match="It has no model 'another-model'"):
        answer(before_model, model="another-model")
    assert len(before_model.seen) == 1


def test_an_address_without_v1_says_so(proxy: FaultProxy, model_server: ModelServer) -> None:
    there = create(EngineSettings(model=model_server.model, endpoint=model_server.url.removesuffix("/v1")))
    with pytest.raises(EngineError, match="HTTP 404 .* most addresses end in /v1"):
        came_of(there, [request()])


def test_a_setting_that_the_server_does_not_know_is_named(before_model: FaultProxy, model_server: ModelServer) -> None:
    with pytest.raises(EngineError, match=r"HTTP 422 .*parameter min_tokens\. Take min_tokens out of the option extra"):
        answer(before_model, model=model_server.model, extra_body={"min_tokens": 3})


# What is sent


def test_the_decoding_settings_are_sent(proxy: FaultProxy) -> None:
    proxy.plan(completion())
    sampling = {"temperature": 0.7, "top_p": 0.9, "seed": 5, "stop": ["\n"]}
    result(proxy, decoding=sampling, extra_body={"min_tokens": 4})
    assert proxy.seen[0].body == {
        "model": "a-model", "prompt": "How do I sleep?", "max_tokens": 32, "min_tokens": 4, **sampling,
    }  # fmt: skip


def test_greedy_decoding_is_sent_without_settings_of_sampling(proxy: FaultProxy) -> None:
    proxy.plan(completion())
    result(proxy)
    assert proxy.seen[0].body["temperature"] == 0
    assert "top_p" not in proxy.seen[0].body


def test_what_a_server_refuses_can_be_renamed_or_left_out(proxy: FaultProxy) -> None:
    proxy.plan(completion("One. STOP Two."))
    decoding = {"temperature": 1.0, "stop": ["STOP"]}
    options: dict[str, Any] = {
        "max_tokens_parameter": "max_completion_tokens", "leave_out": ["stop", "seed", "temperature", "top_p"],
    }  # fmt: skip
    assert result(proxy, decoding=decoding, **options).text == "One. "
    assert proxy.seen[0].body == {"model": "a-model", "prompt": "How do I sleep?", "max_completion_tokens": 32}


def test_the_name_of_an_adapter_takes_the_place_of_the_model(proxy: FaultProxy) -> None:
    proxy.plan(completion())
    there = create(EngineSettings(model="base", adapter="dpo-adapter", endpoint=proxy.url))
    came_of(there, [request()])
    assert proxy.seen[0].body["model"] == "dpo-adapter"


def test_without_chat_the_system_message_comes_before_the_prompt(proxy: FaultProxy) -> None:
    proxy.plan(completion())
    came_of(engine(proxy), [request(system_message="Be kind.")])
    assert proxy.seen[0].body["prompt"] == "Be kind.\n\nHow do I sleep?"


# What comes back


@pytest.mark.parametrize(
    ("sent", "meant"), [("stop", "stop"), ("eos", "stop"), ("length", "length"), ("tool_calls", "unknown")]
)
def test_finish_reasons_are_translated(proxy: FaultProxy, sent: str, meant: str) -> None:
    proxy.plan(completion(finish=sent))
    assert result(proxy).finish_reason == meant


def test_a_finish_reason_of_any_kind_is_survived(proxy: FaultProxy) -> None:
    proxy.plan(Reply(200, {"choices": [{"text": "Well.", "finish_reason": ["stop"]}], "usage": [1]}))
    assert result(proxy).finish_reason == "unknown"


def test_a_server_that_does_not_count_tokens_gives_none(proxy: FaultProxy) -> None:
    proxy.plan(completion(), completion(tokens=(7, 2)))
    there = engine(proxy, concurrency=1)
    uncounted, counted = came_of(there, [request(), request()])
    assert (uncounted.prompt_tokens, uncounted.completion_tokens) == (None, None)
    assert (counted.prompt_tokens, counted.completion_tokens) == (7, 2)
    assert there.usage()["prompt_tokens"] == 7


def test_what_a_server_says_of_itself_comes_with_the_answer(proxy: FaultProxy) -> None:
    said = {"model": "a-model-2026-01-01", "system_fingerprint": "fp_1"}
    proxy.plan(Reply(200, {"choices": [{"text": "Well."}], "created": 1} | said))
    assert result(proxy).served == said


def test_text_that_no_database_takes_is_repaired(proxy: FaultProxy) -> None:
    proxy.plan(Reply(200, b'{"choices": [{"text": "a\\u0000b\\ud800c", "finish_reason": "stop"}]}'))
    assert result(proxy).text == "a\N{REPLACEMENT CHARACTER}b?c"


def test_an_empty_answer_is_an_answer(proxy: FaultProxy) -> None:
    proxy.plan(completion(""))
    assert result(proxy).text == ""


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"message": {"content": None}, "finish_reason": "content_filter"}, "content_filter"),
        ({"message": {"content": ""}, "finish_reason": "content_filter"}, "content_filter"),
        ({"message": {"content": None, "refusal": "I can't."}, "finish_reason": "stop"}, "refusal"),
        ({"message": {"content": None, "tool_calls": [{"id": "1"}]}, "finish_reason": "tool_calls"}, "tool_calls"),
        ({"message": {"content": None}, "finish_reason": "stop"}, "stop"),
        ({"message": {"content": "", "refusal": None}, "finish_reason": "stop"}, "stop"),
    ],
)
def test_a_refusal_with_no_text_is_a_result_and_not_asked_for_again(
    proxy: FaultProxy, choice: dict[str, Any], reason: str
) -> None:
    proxy.plan(Reply(200, {"choices": [choice]}))
    found = result(proxy, decoding={"chat": True})
    assert (found.text, found.finish_reason) == ("", reason)
    assert len(proxy.seen) == 1


@pytest.mark.parametrize("text", [None, ""])
def test_an_answer_cut_off_before_it_began_is_a_failure_that_says_what_helps(
    proxy: FaultProxy, text: str | None
) -> None:
    proxy.plan(Reply(200, {"choices": [{"text": text, "finish_reason": "length"}]}))
    found = failure(proxy)
    assert found.final and "raise max_new_tokens" in found.error


@pytest.mark.parametrize("count", [-1, 2**31, 10**30, 1.5, True, "7"])
def test_a_token_count_that_is_none_is_left_out(proxy: FaultProxy, count: object) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": 2**31 - 1}
    proxy.plan(Reply(200, {"choices": [{"text": "Well.", "finish_reason": "stop"}], "usage": usage}))
    found = result(proxy)
    assert (found.prompt_tokens, found.completion_tokens) == (None, 2**31 - 1)


# Threads, event loops, Ctrl-C


def test_several_threads_may_use_one_engine(proxy: FaultProxy) -> None:
    proxy.plan(*[completion(tokens=(1, 1))] * 60)
    there = engine(proxy)
    with ThreadPoolExecutor(3) as pool:
        batches = list(pool.map(lambda _: came_of(there, [request()] * 20), range(3)))
    assert all(isinstance(one, GenerationResult) for batch in batches for one in batch)
    assert there.usage()["completion_tokens"] == 60
    assert proxy.peak <= 8


def test_it_works_where_an_event_loop_is_running(proxy: FaultProxy) -> None:
    proxy.plan(completion())
    there = engine(proxy)

    async def caller() -> str:
        return came_of(there, [request()])[0].text

    # In a thread of its own: a browser's loop may run in this one, left by a test before.
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(asyncio.run, caller()).result() == "Well."


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """Tests that were started in the background of a shell inherit that SIGINT is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_does_not_wait_for_answers_and_sends_nothing_more(proxy: FaultProxy) -> None:
    proxy.plan(Hang())
    there = engine(proxy, concurrency=1)

    def interrupt() -> None:
        wait_until(lambda: len(proxy.seen) == 1, seconds=30, what="The first request")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        came_of(there, [request("first")] * 3)
    thread.join()
    proxy.plan(completion())
    assert came_of(there, [request("second")])[0].text == "Well."
    assert [seen.body["prompt"] for seen in proxy.seen] == ["first", "second"]


def test_an_engine_that_is_no_longer_used_leaves_no_thread_behind(proxy: FaultProxy) -> None:
    before = set(threading.enumerate())
    proxy.plan(completion())
    there = engine(proxy)
    came_of(there, [request()])
    own = [one for one in set(threading.enumerate()) - before if one.name == "openai engine"]
    assert len(own) == 1
    del there
    gc.collect()
    own[0].join(30)
    assert not own[0].is_alive()
