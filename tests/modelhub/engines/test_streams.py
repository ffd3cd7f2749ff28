"""Streams of requests: how far ahead they read, what they end with, and what becomes of them when they are closed."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from modelhub.engines.base import Answer, EngineError, GenerationRequest, GenerationResult
from modelhub.engines.openai.client import Client
from modelhub.engines.openai.engine import OpenAIEngine
from modelhub.engines.openai.settings import read_settings
from modelhub.engines.streaming import in_batches
from tests.modelhub.engines.asking import came_of
from tests.modelhub.engines.openai_asking import completion, engine, failure, request, result, settings, settings_for
from tests.tools.faultproxy import PATIENCE, FaultProxy, Hang, Reply
from tests.tools.processes import wait_until


class Asked:
    """Requests that note how many were taken, and how far they are ahead of the answers."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.taken = self.answered = self.most_ahead = 0

    def requests(self) -> Iterator[GenerationRequest]:
        for number in range(self._count):
            self.taken += 1
            self.most_ahead = max(self.most_ahead, self.taken - self.answered)
            yield request(f"Prompt {number}")

    def count(self, answers: Iterator[Answer]) -> list[int]:
        """Return the numbers of the answers, in the order in which they come."""
        numbers = []
        for number, _ in answers:
            self.answered += 1
            numbers.append(number)
        return numbers


def made(requests: Sequence[GenerationRequest]) -> Iterator[Answer]:
    for place, one in enumerate(requests):
        yield place, GenerationResult(one.prompt, "stop", None, None, 0.0)


# How far ahead


def test_no_more_is_taken_than_is_under_way_and_waits_behind_it(proxy: FaultProxy) -> None:
    proxy.plan(*[completion()] * 50)
    asked = Asked(50)
    numbers = asked.count(engine(proxy, concurrency=4).stream(asked.requests(), ahead=6))
    assert sorted(numbers) == list(range(50))
    assert asked.most_ahead == 10 and proxy.peak <= 4


def test_batches_are_taken_one_ahead_of_the_one_that_is_made() -> None:
    asked = Asked(23)
    assert asked.count(in_batches(made, asked.requests(), size=5)) == list(range(23))
    assert asked.most_ahead == 10


def test_an_answer_comes_when_it_is_made_and_not_with_the_last_of_its_batch() -> None:
    stored = threading.Event()

    def backwards(requests: Sequence[GenerationRequest]) -> Iterator[Answer]:
        for answer in reversed(list(made(requests))):
            yield answer
            assert stored.wait(PATIENCE)

    answers = in_batches(backwards, Asked(5).requests(), size=3)
    assert next(answers)[0] == 2
    stored.set()
    assert [number for number, _ in answers] == [1, 0, 4, 3]


def test_one_request_that_hangs_holds_up_no_other(proxy: FaultProxy) -> None:
    proxy.plan(Hang(), *[completion()] * 20)
    asked, there = Asked(20), engine(proxy, concurrency=2, timeout_seconds=PATIENCE)
    answers = there.stream(asked.requests(), ahead=3)
    others = [next(answers)[0] for _ in range(19)]
    proxy.release()
    (last,) = answers
    assert sorted([*others, last[0]]) == list(range(20)) and last[0] in (0, 1)


# Ends


def test_what_was_made_before_an_engine_breaks_comes_first() -> None:
    batches = iter(range(10))

    def breaking(requests: Sequence[GenerationRequest]) -> Iterator[Answer]:
        batch, answers = next(batches), made(requests)
        yield next(answers)
        if batch == 2:
            raise EngineError("It broke.")
        yield from answers

    asked = Asked(20)
    with pytest.raises(EngineError, match="It broke"):
        asked.count(in_batches(breaking, asked.requests(), size=4))
    assert asked.answered == 9


def test_a_stream_of_batches_that_is_closed_ends_what_is_being_made_and_its_thread() -> None:
    abandoned, second, begun = threading.Event(), threading.Event(), []

    def answer(requests: Sequence[GenerationRequest]) -> Iterator[Answer]:
        for place, outcome in made(requests):
            begun.append(requests[place].prompt)
            if len(begun) > 3:
                second.set()
                assert abandoned.wait(PATIENCE)
            yield place, outcome

    before = threading.active_count()
    with closing(in_batches(answer, Asked(9).requests(), size=3, abandon=abandoned.set)) as answers:
        assert next(answers)[0] == 0
        assert second.wait(PATIENCE)
    assert abandoned.is_set() and threading.active_count() == before
    assert begun == ["Prompt 0", "Prompt 1", "Prompt 2", "Prompt 3"]


def test_a_stream_that_is_closed_gives_its_requests_up_and_the_engine_goes_on(proxy: FaultProxy) -> None:
    proxy.plan(completion("First."), Hang(), completion("Other."))
    there = engine(proxy, concurrency=1)
    with closing(there.stream(Asked(9).requests(), ahead=5)) as answers:
        next(answers)
        wait_until(lambda: len(proxy.seen) == 2, seconds=PATIENCE, what="The second request")
    assert came_of(there, [request("other")])[0].text == "Other."
    assert [seen.body["prompt"] for seen in proxy.seen] == ["Prompt 0", "Prompt 1", "other"]


def test_a_request_that_is_given_up_by_others_ends_the_stream_instead_of_holding_it(proxy: FaultProxy) -> None:
    async def given_up(seconds: float) -> None:
        raise asyncio.CancelledError

    proxy.plan(Reply(500))
    there = OpenAIEngine(read_settings(settings(proxy)), sleep=given_up)
    with pytest.raises(EngineError, match="was given up"):
        came_of(there, [request()])


# What cannot be read, on connections that are kept


@pytest.mark.parametrize(
    "unreadable",
    [
        Reply(200, b"abcde", {"Content-Encoding": "gzip"}),
        Reply(200, b"abcde", {"Content-Encoding": "br"}),
        Reply(200, b"zz\r\n", {"Transfer-Encoding": "chunked"}),
        Reply(200, b"", {"X-Long": "x" * 20_000}),
        Reply(429, b"", {"Retry-After": "1e400"}),
    ],
    ids=["gzip", "brotli", "chunks", "header", "wait"],
)
def test_an_answer_that_cannot_be_read_is_asked_for_again(proxy: FaultProxy, unreadable: Reply) -> None:
    proxy.plan(unreadable, completion())
    assert result(proxy).text == "Well."
    assert len(proxy.seen) == 2


# Proxies of the environment


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(("variable", "start"), [("http_proxy", "http://"), ("http_proxy", ""), ("all_proxy", "")])
def test_a_server_is_asked_through_the_proxy_that_the_environment_names(
    proxy: FaultProxy, environment: pytest.MonkeyPatch, variable: str, start: str
) -> None:
    environment.setenv(variable, start + proxy.url.removeprefix("http://").removesuffix("/v1"))
    proxy.plan(completion())
    there = OpenAIEngine(read_settings(settings_for("http://models.internal/v1")))
    assert came_of(there, [request()])[0].text == "Well."
    assert [seen.path for seen in proxy.seen] == ["http://models.internal/v1/completions"]


@pytest.mark.parametrize("listed", ["127.0.0.1", "127.0.0.1:{port}", "*"])
def test_a_server_that_no_proxy_lists_is_asked_directly(
    proxy: FaultProxy, environment: pytest.MonkeyPatch, listed: str
) -> None:
    environment.setenv("http_proxy", "http://127.0.0.1:9")
    environment.setenv("no_proxy", listed.format(port=proxy.url.removesuffix("/v1").rpartition(":")[2]))
    proxy.plan(completion())
    assert result(proxy, max_retries=0).text == "Well."


@pytest.mark.parametrize("host", ["[::1]:8000", "localhost", "models.internal:80"])
def test_a_server_that_is_listed_by_its_host_needs_no_proxy_whatever_its_port(
    environment: pytest.MonkeyPatch, host: str
) -> None:
    environment.setenv("http_proxy", "socks5://127.0.0.1:9")
    environment.setenv("no_proxy", "::1,localhost,.internal")
    Client(read_settings(settings_for(f"http://{host}/v1")))  # does not look at the proxy, which it could not use


@pytest.mark.parametrize("named", ["socks5://u:secret@127.0.0.1:9", "http://:3128", "http://a:99999", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_named_without_what_it_holds(
    environment: pytest.MonkeyPatch, named: str
) -> None:
    environment.setenv("http_proxy", named)
    with pytest.raises(EngineError, match=r"http_proxy.*no_proxy") as refused:
        Client(read_settings(settings_for()))
    assert named not in str(refused.value) and "secret" not in str(refused.value)


def test_a_proxy_that_is_not_there_is_a_failure(proxy: FaultProxy, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("http_proxy", "http://127.0.0.1:9")
    assert "could not be made" in failure(proxy, max_retries=0).error
