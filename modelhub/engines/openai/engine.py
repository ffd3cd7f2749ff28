"""The openai engine: any server that speaks the OpenAI protocol, such as vLLM, `transformers serve` or a provider.

Requests are sent concurrently. What may go better another time (a timeout, a cut connection, 429, 5xx, an unreadable
answer) is sent again after a growing wait; see docs/engines.md for every setting and for what ends a run.
"""

import asyncio
import logging
import random
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from modelhub.engines.base import EngineError, EngineSettings, GenerationFailure, GenerationRequest, GenerationResult
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
class _Batch:
    """What the requests of one call share: why no more of them are sent, if so."""

    stopped: str = ""


class OpenAIEngine:
    """Asks one model on one server. May be used from several threads."""

    def __init__(self, server: ServerSettings, *, sleep: Sleep = asyncio.sleep) -> None:
        self._server = server
        self._sleep = sleep
        self._client = Client(server)
        self._ledger = Ledger(server.options)
        self._slots = asyncio.Semaphore(server.options.concurrency)
        # A thread of its own: the caller's may run an event loop already, and Ctrl-C there must not wait for answers.
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=run_loop, args=[self._loop], name="openai engine", daemon=True).start()
        weakref.finalize(self, stop_loop, self._loop, self._client)

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GenerationResult | GenerationFailure]:
        """Return one result or failure per request, in their order.

        What makes every further request useless (a refused key, an unknown model, the budget used up) raises
        EngineError if no answer was made; answers that were made are returned, the others as failures to be tried
        again, and it is the next call that raises.
        """
        if self._ledger.used_up:
            raise EngineError(budget_text(self._server.options))
        batch = _Batch()
        future = asyncio.run_coroutine_threadsafe(self._all(requests, batch), self._loop)
        try:
            results = future.result()
        finally:
            future.cancel()  # after Ctrl-C, so that nothing more is sent; does nothing to one that is done
        if batch.stopped and not any(isinstance(result, GenerationResult) for result in results):
            raise EngineError(batch.stopped)
        return results

    def usage(self) -> dict[str, Any]:
        """Return requests, retries, failed, prompt_tokens, completion_tokens and cost (None without prices)."""
        return self._ledger.usage()

    async def _all(
        self, requests: Sequence[GenerationRequest], batch: _Batch
    ) -> list[GenerationResult | GenerationFailure]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one(request, batch)) for request in requests]
        return [task.result() for task in tasks]

    async def _one(self, request: GenerationRequest, batch: _Batch) -> GenerationResult | GenerationFailure:
        # The place is kept while waiting to try again, so that a server that is overloaded gets fewer requests.
        async with self._slots:
            result = await self._answer(request, batch)
        if isinstance(result, GenerationFailure):
            self._ledger.fail()
        return result

    async def _answer(self, request: GenerationRequest, batch: _Batch) -> GenerationResult | GenerationFailure:
        attempt = 0
        while True:
            attempt += 1
            if not batch.stopped and not self._ledger.take(retry=attempt > 1):
                batch.stopped = budget_text(self._server.options)
            if batch.stopped:
                return GenerationFailure(batch.stopped)
            started = time.perf_counter()
            reply = await self._client.ask(request)
            self._ledger.use(reply)
            if isinstance(reply.outcome, ServerAnswer):
                return self._result(reply, reply.outcome, time.perf_counter() - started)
            failure = self._failure(reply.outcome, attempt, batch)
            if failure is not None:
                return failure
            await self._wait(reply.outcome, attempt)

    def _result(self, reply: Reply, answer: ServerAnswer, seconds: float) -> GenerationResult:
        # Some servers leave the stop text in the answer, some know no stop texts at all.
        made = completion(answer.text, stop=self._server.decoding.stop, reported=answer.finish_reason)
        return GenerationResult(
            made.text, made.finish_reason, reply.prompt_tokens, reply.completion_tokens, seconds, reply.served
        )

    def _failure(self, trouble: RequestFailure, attempt: int, batch: _Batch) -> GenerationFailure | None:
        """Return the failure that a trouble amounts to, None if the request is to be sent again."""
        options = self._server.options
        if trouble.verdict == "fatal":
            batch.stopped = batch.stopped or fatal_text(trouble, self._server)
            return GenerationFailure(batch.stopped)
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
