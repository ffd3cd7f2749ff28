"""The vLLM engine for requests that come one by one: vLLM's asynchronous engine, whose batch may mix adapters.

The model runs in a process that vLLM starts; what waits for it here runs in an event loop in a thread.
"""

import asyncio
import concurrent.futures
import logging
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from modelhub.engines.base import (
    Cancel,
    Deliver,
    EngineError,
    EngineSettings,
    GenerationFailure,
    GenerationRequest,
    GenerationResult,
)
from modelhub.engines.decoding import Decoding
from modelhub.engines.modelfiles import stamp
from modelhub.engines.reasons import failure_of
from modelhub.engines.tokens import TokenAnswer, TokenPrompt
from modelhub.engines.vllm.settings import (
    VLLM_ERRORS,
    Adapters,
    VllmOptions,
    check_shared,
    model_arguments,
    model_codec,
    rank_wanted,
    sampling,
)

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM

logger = logging.getLogger(__name__)

LIVE_LORAS = 2  # in one batch, where the options do not say: the two arms of most studies
_ABORT_SECONDS = 10.0
_WATCH_SECONDS = 1.0
_DIED = "The process in which vLLM runs the model has ended. Its own messages say why."

Result = GenerationResult | GenerationFailure


class RunningModel:
    """A model at work, shared by the engines that have taken it; it ends when all have left it."""

    def __init__(self, key: Any, name: str, decoding: Decoding, options: VllmOptions, *, rank: int) -> None:
        self._key = key
        self.name = name
        self.options = options
        self.adapters = Adapters(name, rank)
        self.died = asyncio.Event()
        self._users = 0
        self._names = count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vllm live engine", daemon=True)
        self._thread.start()
        try:
            self.llm: AsyncLLM = self.run(_new_async_llm(name, decoding, options, rank=rank)).result()
        except BaseException as error:
            self._stop_loop()
            if isinstance(error, VLLM_ERRORS):
                raise EngineError(f"vLLM cannot load {name}: {error}") from error
            raise
        self.run(self._watch())

    async def _watch(self) -> None:
        # vLLM itself leaves a request waiting for ever that comes just when its process has died.
        while not self.llm.errored:
            await asyncio.sleep(_WATCH_SECONDS)
        self.died.set()

    def run(self, work: Any) -> "concurrent.futures.Future[Any]":
        """Run a coroutine in the model's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def next_name(self) -> str:
        """Return a name that no request has had."""
        return f"request-{next(self._names)}"

    def take(self) -> None:
        """Count one more user; with the lock of `load_running`."""
        self._users += 1

    def leave(self) -> None:
        """Count one user less, and end the model with the last."""
        with _LOADING:
            self._users -= 1
            last = self._users == 0
            if last and _RUNNING.get(self._key) is self:
                del _RUNNING[self._key]
        if last:
            self.llm.shutdown()
            self._stop_loop()

    def _stop_loop(self) -> None:
        with suppress(TimeoutError):
            self.run(_end_all()).result(_ABORT_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class VllmLiveEngine:
    """A running model with an adapter or none, and how it is to decode."""

    def __init__(self, model: RunningModel, decoding: Decoding, *, adapter: str, slots: int) -> None:
        self.slots = slots
        self._model = model
        self._decoding = decoding
        self._numbers = count()
        self._open: set[concurrent.futures.Future[Any]] = set()
        self._closed = False
        try:
            self._adapter = model.adapters.request(adapter) if adapter else None
            self._codec, self._ends = model_codec(
                model.llm.get_tokenizer(), model.llm.model_config, decoding, name=model.name
            )
        except BaseException:
            model.leave()
            raise

    def start(self, request: GenerationRequest, deliver: Deliver) -> Cancel:
        """Let the request join the running batch."""
        future = self._model.run(self._one(request))
        self._open.add(future)
        future.add_done_callback(partial(self._hand_over, request, deliver))
        return future.cancel

    def served(self) -> Mapping[str, Any]:
        """Return nothing: the files behind the engine are read on this machine, and have a digest of their own."""
        return {}

    def close(self) -> None:
        """Give up what is under way; the model ends with the last engine that uses it."""
        if self._closed:
            return
        self._closed = True
        under_way = list(self._open)
        for future in under_way:
            future.cancel()
        self._model.leave()

    async def _one(self, request: GenerationRequest) -> Result:
        prompts, failures = self._codec.encode([request])
        if failures:
            return failures[0]
        started = time.perf_counter()
        try:
            ids = await self._unless_it_dies(prompts[0])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told as the reason of this one
            return self._failure(error, request)
        return self._codec.result(TokenAnswer(prompts[0], ids, time.perf_counter() - started))

    async def _unless_it_dies(self, prompt: TokenPrompt) -> list[int]:
        from vllm.v1.engine.exceptions import EngineDeadError

        making, dying = asyncio.ensure_future(self._tokens(prompt)), asyncio.ensure_future(self._model.died.wait())
        try:
            await asyncio.wait((making, dying), return_when=asyncio.FIRST_COMPLETED)
            if making.done():
                return making.result()
            raise EngineDeadError
        finally:
            dying.cancel()
            making.cancel()

    async def _tokens(self, prompt: TokenPrompt) -> list[int]:
        """Return what the model adds to a prompt; if this is cancelled, vLLM gives it up."""
        from vllm.sampling_params import RequestOutputKind

        how = sampling(
            self._decoding, prompt, ends=self._ends, number=next(self._numbers),
            output_kind=RequestOutputKind.FINAL_ONLY,
        )  # fmt: skip
        ids: list[int] = []
        async for output in self._model.llm.generate(
            {"prompt_token_ids": prompt.ids}, how, self._model.next_name(), lora_request=self._adapter
        ):
            ids = list(output.outputs[0].token_ids)
        return ids

    def _failure(self, error: Exception, request: GenerationRequest) -> GenerationFailure:
        from vllm.exceptions import VLLMClientError
        from vllm.v1.engine.exceptions import EngineDeadError

        if isinstance(error, EngineDeadError):
            self._model.died.set()
            return GenerationFailure(_DIED, down=True)
        failure = failure_of(error, request)
        return GenerationFailure(failure.error, kind=failure.kind, final=isinstance(error, VLLMClientError))

    def _hand_over(
        self, request: GenerationRequest, deliver: Deliver, future: "concurrent.futures.Future[Result]"
    ) -> None:
        self._open.discard(future)
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            deliver(future.result())
        else:
            deliver(
                failure_of(error if isinstance(error, Exception) else EngineError("The engine has ended."), request)
            )


_LOADING = threading.Lock()
_RUNNING: dict[Any, RunningModel] = {}


def load_running(settings: EngineSettings, decoding: Decoding, options: VllmOptions) -> RunningModel:
    """Return the model for one more user, starting it unless an engine of this process has it already.

    Raises EngineError if it cannot be started, or runs with other options.
    """
    from vllm.platforms import current_platform

    # On a CPU, vLLM gives requests without an adapter that of others in their batch (its pull request 48421): the base
    # alone is a model of its own there.
    alone = current_platform.is_cpu() and not settings.adapter
    key = (settings.model, stamp(settings.model), decoding.dtype, alone)
    with _LOADING:
        running = _RUNNING.get(key)
        if running is None or running.died.is_set():
            rank = 0 if alone else rank_wanted(settings, options)
            running = _RUNNING[key] = RunningModel(key, settings.model, decoding, options, rank=rank)
        check_shared(settings.model, running.options, options)
        running.take()
    return running


async def _new_async_llm(name: str, decoding: Decoding, options: VllmOptions, *, rank: int) -> "AsyncLLM":
    from vllm import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    # A worker has threads, some of which may hold a lock when it is forked.
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    arguments = model_arguments(name, decoding, options, rank=rank, loras=LIVE_LORAS)
    llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments, disable_log_stats=True))
    await llm.get_supported_tasks()  # of its process, which has to answer once before anything else does
    return llm


async def _end_all() -> None:
    """Cancel whatever is left in the loop, and wait for it."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
