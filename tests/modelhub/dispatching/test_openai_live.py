"""The openai engine as it takes requests one by one."""

import threading
from collections.abc import Iterator

import pytest

from modelhub.engines import load_live_engine
from modelhub.engines.base import (
    EngineError,
    EngineSettings,
    GenerationFailure,
    GenerationRequest,
    GenerationResult,
    LiveEngine,
)
from tests.tools.processes import wait_until
from tests.tools.standin import StandIn

REQUEST = GenerationRequest(rendered="Prompt: Why?\nResponse:", prompt="Why?", persona="")


@pytest.fixture
def engine(model: StandIn) -> Iterator[LiveEngine]:
    settings = EngineSettings(model="base-8b", adapter="dpo", endpoint=model.url, options={"live_slots": 30})
    engine = load_live_engine("openai", settings)
    yield engine
    engine.close()


class Inbox:
    """What is delivered, in whatever thread."""

    def __init__(self) -> None:
        self.results: list[GenerationResult | GenerationFailure] = []
        self._lock = threading.Lock()

    def deliver(self, result: GenerationResult | GenerationFailure) -> None:
        with self._lock:
            self.results.append(result)

    def wait(self, count: int) -> list[GenerationResult | GenerationFailure]:
        wait_until(lambda: len(self.results) >= count, seconds=30, what=f"{count} results")
        return self.results


def test_requests_are_under_way_together_and_each_is_delivered_once(engine: LiveEngine, model: StandIn) -> None:
    model.mode, inbox = "hang", Inbox()
    for _ in range(engine.slots):
        engine.start(REQUEST, inbox.deliver)
    wait_until(lambda: model.under_way == engine.slots == 30, seconds=30, what="All requests")
    model.mode = "ok"
    more = Inbox()
    engine.start(REQUEST, more.deliver)
    (result,) = more.wait(1)
    assert isinstance(result, GenerationResult) and result.text.startswith("Answer")
    assert not inbox.results


def test_answers_that_come_together_ask_once_what_is_served(engine: LiveEngine, model: StandIn) -> None:
    inbox = Inbox()
    model.seconds = 0.2
    for _ in range(30):
        engine.start(REQUEST, inbox.deliver)
    for result in inbox.wait(30):
        assert isinstance(result, GenerationResult) and result.served["listed"]["root"] == "/adapters/dpo"
    assert 1 <= model.listed < 30


def test_a_request_that_is_given_up_is_never_delivered(engine: LiveEngine, model: StandIn) -> None:
    model.seconds, given_up, kept = 0.5, Inbox(), Inbox()
    cancel = engine.start(REQUEST, given_up.deliver)
    wait_until(lambda: model.under_way == 1, seconds=30, what="The request")
    cancel()
    engine.start(REQUEST, kept.deliver)  # would come after the one before
    kept.wait(1)
    assert not given_up.results


def test_nothing_is_sent_twice_by_itself(engine: LiveEngine, model: StandIn) -> None:
    model.mode, inbox = "500", Inbox()
    engine.start(REQUEST, inbox.deliver)
    (failure,) = inbox.wait(1)
    assert isinstance(failure, GenerationFailure) and not failure.down and not failure.final
    assert len(model.seen) == 1


@pytest.mark.parametrize(("mode", "retry_after", "wait"), [("503", "", None), ("429", "7", 7.0), ("429", "", None)])
def test_a_server_that_has_no_room_is_down_for_as_long_as_it_asks(
    engine: LiveEngine, model: StandIn, mode: str, retry_after: str, wait: float | None
) -> None:
    model.mode, model.retry_after, inbox = mode, retry_after, Inbox()
    engine.start(REQUEST, inbox.deliver)
    (failure,) = inbox.wait(1)
    assert isinstance(failure, GenerationFailure) and failure.down and failure.wait == wait


def test_a_server_that_says_nothing_of_what_it_serves_is_found_out(engine: LiveEngine, model: StandIn) -> None:
    assert engine.served()["root"] == "/adapters/dpo"
    model.mode = "mute"
    with pytest.raises(EngineError, match="did not say within 5 s"):
        engine.served()
