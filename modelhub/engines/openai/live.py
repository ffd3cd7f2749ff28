"""The openai engine as a live one: every request is under way at once, and each answer is handed over as it comes.

Nothing is sent twice here: whoever asks decides what is asked again and when, since only they see all requests.
"""

import asyncio
import concurrent.futures
import threading
import time
import weakref
from collections.abc import Mapping
from functools import partial
from typing import Any

from modelhub.engines.base import (
    Cancel,
    Deliver,
    EngineError,
    GenerationFailure,
    GenerationRequest,
    GenerationResult,
)
from modelhub.engines.openai.client import Client, Ledger
from modelhub.engines.openai.identity import PROVIDERS_LIST_SECONDS, Identity
from modelhub.engines.openai.loop import run_loop, stop_loop
from modelhub.engines.openai.replies import Reply, RequestFailure, ServerAnswer
from modelhub.engines.openai.settings import ServerSettings, is_private
from modelhub.engines.openai.texts import budget_text, fatal_text
from modelhub.engines.reasons import failure_of
from modelhub.prompting.endings import completion

_MODELS_PATIENCE = 10.0  # seconds for an answer of this process's own thread, beyond the server's


class OpenAILiveEngine:
    """Asks one model on one server. May be used from several threads."""

    def __init__(self, server: ServerSettings) -> None:
        self.slots = server.options.live_slots
        self._server = server
        self._client = Client(server)
        self._ledger = Ledger(server.options)
        kept = 0.0 if is_private(server.host) else PROVIDERS_LIST_SECONDS
        self._identity = Identity(self._client, model=server.model, seconds=kept)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=run_loop, args=[self._loop], name="openai live engine", daemon=True).start()
        self._end = weakref.finalize(self, stop_loop, self._loop, self._client)

    def start(self, request: GenerationRequest, deliver: Deliver) -> Cancel:
        """Send the request."""
        future = asyncio.run_coroutine_threadsafe(self._one(request), self._loop)
        future.add_done_callback(partial(_hand_over, request, deliver))
        return future.cancel

    def served(self) -> Mapping[str, Any]:
        """Ask the server anew what it serves under the model's name."""
        future = asyncio.run_coroutine_threadsafe(self._identity.since(time.monotonic()), self._loop)
        try:
            return future.result(_MODELS_PATIENCE)
        except TimeoutError as error:
            future.cancel()
            raise EngineError("The server does not say what it serves.") from error

    def close(self) -> None:
        """Stop the loop; what is under way is never handed over."""
        self._end()

    async def _one(self, request: GenerationRequest) -> GenerationResult | GenerationFailure:
        if not self._ledger.take(retry=False):
            return GenerationFailure(budget_text(self._server.options), final=True, down=True)
        started = time.perf_counter()
        reply = await self._client.ask(request)
        self._ledger.use(reply)
        seconds = time.perf_counter() - started
        if isinstance(reply.outcome, RequestFailure):
            self._ledger.fail()
            return _failure(reply.outcome, self._server)
        try:
            # Asked after the answer has come, so that what it tells is true of what has made it.
            listed = await self._identity.since(time.monotonic())
        except EngineError as error:
            return GenerationFailure(str(error), down=True)
        return self._result(reply, reply.outcome, seconds, listed)

    def _result(self, reply: Reply, answer: ServerAnswer, seconds: float, listed: dict[str, str]) -> GenerationResult:
        made = completion(answer.text, stop=self._server.decoding.stop, reported=answer.finish_reason)
        return GenerationResult(
            made.text, made.finish_reason, reply.prompt_tokens, reply.completion_tokens, seconds,
            served={**reply.served, **({"listed": listed} if listed else {})},
        )  # fmt: skip


def _failure(trouble: RequestFailure, server: ServerSettings) -> GenerationFailure:
    if trouble.verdict == "fatal":
        return GenerationFailure(fatal_text(trouble, server), final=True, down=True)
    # Nobody waits for longer than they said, whatever a server asks for: people are at their pages.
    wait = None if trouble.wait is None else min(trouble.wait, server.options.max_wait_seconds)
    return GenerationFailure(trouble.reason, final=trouble.verdict == "final", down=trouble.unreachable, wait=wait)


def _hand_over(
    request: GenerationRequest,
    deliver: Deliver,
    future: "concurrent.futures.Future[GenerationResult | GenerationFailure]",
) -> None:
    if future.cancelled():
        return
    error = future.exception()
    if error is None:
        deliver(future.result())
    else:
        deliver(failure_of(error if isinstance(error, Exception) else EngineError("The engine has ended."), request))
