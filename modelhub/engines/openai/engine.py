"""The openai engine: any server that speaks the OpenAI protocol, such as vLLM, `transformers serve` or a provider.

Requests are sent concurrently. What may go better another time (a timeout, a cut connection, 429, 5xx, an unreadable
answer) is sent again after a growing wait; see docs/engines.md for every setting and for what ends a run.
"""

import asyncio
import logging
import queue
import random
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from modelhub.engines.base import (
    Answer,
    EngineError,
    EngineSettings,
    GenerationFailure,
    GenerationRequest,
    GenerationResult,
)
from modelhub.engines.openai.client import Client, Ledger
from modelhub.engines.openai.live import OpenAILiveEngine
from modelhub.engines.openai.loop import run_loop, stop_loop
from modelhub.engines.openai.rehearsing import rehearse_server
from modelhub.engines.openai.replies import Reply, RequestFailure, ServerAnswer
from modelhub.engines.openai.settings import ServerSettings, read_settings
from modelhub.engines.openai.texts import budget_text, fatal_text
from modelhub.engines.rehearsal import Rehearsal, Rehearsed
from modelhub.prompting.endings import completion

logger = logging.getLogger(__name__)

FIRST_WAIT = 1.0  # seconds
LONGEST_WAIT = 60.0  # seconds, unless the server asks for more

Sleep = Callable[[float], Awaitable[object]]


@dataclass
class _Flow:
    """The requests of one stream, what has come of each (None: it was not sent), and why no more are sent, if so."""

    tasks: set["asyncio.Task[Answer | None]"] = field(default_factory=set)
    answers: "queue.SimpleQueue[Answer | BaseException | None]" = field(default_factory=queue.SimpleQueue)
    stopped: str = ""

    def hand_over(self, task: "asyncio.Task[Answer | None]") -> None:
        """Tell the caller's thread what came of a request, and that it was given up too: it waits for something."""
        self.tasks.discard(task)
        given_up = EngineError("A request to the server was given up.")
        self.answers.put(given_up if task.cancelled() else task.exception() or task.result())

    def end(self) -> None:
        """Give up what is under way."""
        for task in self.tasks:
            task.cancel()


class OpenAIEngine:
    """Asks one model on one server. May be used from several threads."""

    def __init__(self, server: ServerSettings, *, sleep: Sleep = asyncio.sleep) -> None:
        self._server = server
        self._sleep = sleep
        self._client = Client(server)
        self._ledger = Ledger(server.options)
        self._at_once = server.options.at_once(server.host)
        self._slots = asyncio.Semaphore(self._at_once)
        # A thread of its own: the caller's may run an event loop already, and Ctrl-C there must not wait for answers.
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=run_loop, args=[self._loop], name="openai engine", daemon=True).start()
        weakref.finalize(self, stop_loop, self._loop, self._client)

    def stream(self, requests: Iterator[GenerationRequest], *, ahead: int) -> Generator[Answer]:
        """Yield every answer as it comes.

        What makes every further request useless (a refused key, an unknown model, the budget used up) raises
        EngineError, after the answers to what was under way. What has no answer by then counts as not asked.
        """
        flow, room = _Flow(), self._at_once + ahead
        taken = under_way = 0
        try:
            while True:
                wanted = 0 if flow.stopped else room - under_way
                # In portions, since each one wakes the loop's thread.
                if wanted > ahead // 2 and (portion := list(enumerate(islice(requests, wanted), start=taken))):
                    taken, under_way = taken + len(portion), under_way + len(portion)
                    self._loop.call_soon_threadsafe(self._begin, flow, portion)
                if not under_way:
                    break
                answer = flow.answers.get()
                under_way -= 1
                if isinstance(answer, BaseException):
                    raise answer
                if answer is not None:
                    yield answer
        finally:
            self._loop.call_soon_threadsafe(flow.end)
        if flow.stopped:
            raise EngineError(flow.stopped)

    def usage(self) -> dict[str, Any]:
        """Return requests, retries, failed, prompt_tokens, completion_tokens and cost (None without prices)."""
        return self._ledger.usage()

    def _begin(self, flow: _Flow, portion: list[tuple[int, GenerationRequest]]) -> None:
        for number, request in portion:
            task = self._loop.create_task(self._one(flow, number, request))
            flow.tasks.add(task)
            task.add_done_callback(flow.hand_over)

    async def _one(self, flow: _Flow, number: int, request: GenerationRequest) -> Answer | None:
        # The place is kept while waiting to try again, so that a server that is overloaded gets fewer requests.
        async with self._slots:
            result = await self._answer(flow, request)
        if isinstance(result, GenerationFailure):
            self._ledger.fail()
        return None if result is None else (number, result)

    async def _answer(self, flow: _Flow, request: GenerationRequest) -> GenerationResult | GenerationFailure | None:
        attempt = 0
        while True:
            attempt += 1
            if not flow.stopped and not self._ledger.take(retry=attempt > 1):
                flow.stopped = budget_text(self._server.options)
            if flow.stopped:
                return None
            started = time.perf_counter()
            reply = await self._client.ask(request)
            self._ledger.use(reply)
            if isinstance(reply.outcome, ServerAnswer):
                return self._result(reply, reply.outcome, time.perf_counter() - started)
            if reply.outcome.verdict == "fatal":
                flow.stopped = flow.stopped or fatal_text(reply.outcome, self._server)
                return None
            failure = self._failure(reply.outcome, attempt)
            if failure is not None:
                return failure
            if not flow.stopped:
                await self._wait(reply.outcome, attempt)

    def _result(self, reply: Reply, answer: ServerAnswer, seconds: float) -> GenerationResult:
        # Some servers leave the stop text in the answer, some know no stop texts at all.
        made = completion(answer.text, stop=self._server.decoding.stop, reported=answer.finish_reason)
        return GenerationResult(
            made.text, made.finish_reason, reply.prompt_tokens, reply.completion_tokens, seconds, reply.served
        )

    def _failure(self, trouble: RequestFailure, attempt: int) -> GenerationFailure | None:
        """Return the failure that a trouble amounts to, None if the request is to be sent again."""
        options = self._server.options
        if trouble.verdict == "final":
            return GenerationFailure(trouble.reason, final=True)
        if attempt > options.max_retries:
            return GenerationFailure(f"{trouble.reason} Attempts: {attempt}.", kind=trouble.reason)
        if (trouble.wait or 0.0) > options.max_wait_seconds:
            return GenerationFailure(
                f"{trouble.reason} It asks for a wait of more than {options.max_wait_seconds:g} s (max_wait_seconds)."
            )
        return None

    async def _wait(self, trouble: RequestFailure, attempt: int) -> None:
        seconds = wait_seconds(attempt, asked=trouble.wait, jitter=random.random())
        logger.info("%s Attempt %d; the next one in %.1f s.", trouble.reason, attempt, seconds)
        await self._sleep(seconds)


def check(settings: EngineSettings) -> None:
    """Raise EngineError for settings that cannot be used or a key that is not set; no request is made."""
    read_settings(settings)


def create(settings: EngineSettings) -> OpenAIEngine:
    """Return the engine; raise EngineError for settings that cannot be used or a key that is not set."""
    return OpenAIEngine(read_settings(settings))


def live(settings: EngineSettings) -> OpenAILiveEngine:
    """Return the engine that takes requests at any time; raises as `create` does."""
    return OpenAILiveEngine(read_settings(settings))


def rehearse(settings: EngineSettings, asked: Rehearsal) -> Rehearsed:
    """Ask the server once; raise EngineError if it refuses what it will be asked."""
    return rehearse_server(settings, asked)


def wait_seconds(attempt: int, *, asked: float | None, jitter: float) -> float:
    """Return the wait after attempt 1, 2, …: doubled each time, and never less than the server asks for.

    `jitter` in [0, 1) spreads requests that were refused together: over the upper half of the wait ("equal jitter"),
    or over a second after the time asked for.
    """
    own = min(FIRST_WAIT * 2.0 ** (attempt - 1), LONGEST_WAIT) * (0.5 + jitter / 2)
    return own if asked is None else max(own, asked + jitter)
