"""The transformers engine for requests that come one by one: each joins the running batch, and leaves it as it ends."""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from modelhub.engines.base import (
    Cancel,
    Deliver,
    EngineError,
    GenerationFailure,
    GenerationRequest,
    GenerationResult,
)
from modelhub.engines.reasons import failure_of
from modelhub.engines.tokens import Codec, TokenAnswer, TokenPrompt
from modelhub.engines.transformers.running import RunningBatch

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0  # how often it is looked whether the batch still runs, when nothing comes from it


@dataclass(eq=False)
class _Asked:
    """One request on its way."""

    request: GenerationRequest
    deliver: Deliver
    prompt: TokenPrompt | None = None
    seen: int = 0  # tokens of its answer so far
    began: float = 0.0


class PlainEngine(Protocol):
    """What makes an answer in the plain way."""

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GenerationResult | GenerationFailure]: ...

    def abandon(self) -> None:
        """End what is being made, for good."""


class TransformersLiveEngine:
    """Answers requests on a running batch; `plain` makes what that cannot make, one after the other beside it.

    One thread of its own does everything that is not the model's; requests and outputs reach it by its inbox.
    """

    def __init__(self, batch: RunningBatch, codec: Codec, plain: PlainEngine, inbox: "queue.Queue[Any]") -> None:
        self.slots = batch.slots
        self._batch = batch
        self._codec = codec
        self._plain = plain
        self._inbox = inbox  # a request, one that was given up, an output of the batch, or None to wake up
        self._waiting: deque[_Asked] = deque()
        self._under_way: dict[str, _Asked] = {}
        self._most = batch.slots  # at once; less when memory has run out
        self._suspects: set[_Asked] = set()  # go one by one, since one of them has broken the batch
        self._broken = ""  # why nobody can be answered by this process any more
        self._closed = threading.Event()
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="transformers plain")
        self._open: set[_Asked] = set()  # neither handed over nor given up
        self._lock = threading.Lock()  # of `_open`
        # No daemon: a process that ends while one of those is in torch is aborted.
        self._thread = threading.Thread(target=self._work, name="transformers live engine")
        self._thread.start()

    def start(self, request: GenerationRequest, deliver: Deliver) -> Cancel:
        """Put the request into the inbox; given up, it leaves the batch before the next token but one."""
        asked = _Asked(request, deliver)
        with self._lock:
            self._open.add(asked)
        self._inbox.put(asked)

        def give_up() -> None:
            if self._settled(asked):
                self._inbox.put(asked)

        return give_up

    def served(self) -> Mapping[str, Any]:
        """Return nothing: the files behind the engine are read in this process, and have a digest of their own."""
        return {}

    def close(self) -> None:
        """End the threads, at the latest when the token that is being made is there."""
        self._closed.set()
        self._inbox.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _work(self) -> None:
        # So that a process ends that has forgotten to close the engine.
        while not self._closed.is_set() and threading.main_thread().is_alive():
            try:
                self._step()
            except Exception as error:
                logger.exception("the running batch is given up")
                self._give_up_all(error)
        self._batch.stop()
        with self._lock:
            self._open.clear()  # first, so that nothing that is broken off is handed over
        self._plain.abandon()
        self._beside.shutdown(wait=False, cancel_futures=True)

    def _step(self) -> None:
        with suppress(queue.Empty):
            self._take(self._inbox.get(timeout=_LOOK_SECONDS))
        if self._under_way and not self._batch.running:
            self._recover()
        self._admit()

    def _give_up_all(self, error: Exception) -> None:
        """End an error of this engine itself as a failure of all that it might be of."""
        self._batch.stop()
        self._under_way.clear()
        self._waiting.clear()
        self._suspects.clear()
        for one in list(self._open):
            self._hand_over(one, failure_of(error, one.request))

    def _settled(self, asked: _Asked) -> bool:
        """Note that nothing more is to be delivered, and return whether this is news."""
        with self._lock:
            news = asked in self._open
            self._open.discard(asked)
            return news

    def _take(self, item: Any) -> None:
        if item is None:
            return
        if not isinstance(item, _Asked):
            self._advance(item)
        elif item not in self._open:
            self._let_go(item)
        else:
            (prompts, failures) = self._codec.encode([item.request])
            if failures:
                self._hand_over(item, failures[0])
            else:
                item.prompt = prompts[0]
                self._waiting.append(item)

    def _let_go(self, asked: _Asked) -> None:
        self._suspects.discard(asked)
        if asked in self._waiting:
            self._waiting.remove(asked)
        for name in [name for name, one in self._under_way.items() if one is asked]:
            self._leave(name, ended=False)

    def _admit(self) -> None:
        """Let in who waits, in the order of arrival, as far as there is room."""
        while self._waiting and len(self._under_way) < (1 if self._suspects else self._most):
            asked = self._waiting[0]
            assert asked.prompt is not None
            if not self._batch.ever_room_for(asked.prompt):
                self._make_plainly(self._waiting.popleft())
            elif not self._ready() or not self._batch.room_for(asked.prompt):
                return
            else:
                asked.seen, asked.began = 0, time.perf_counter()
                self._under_way[self._batch.add(asked.prompt)] = self._waiting.popleft()

    def _ready(self) -> bool:
        """Start the batch unless it runs; what waits has failed if that is not possible."""
        if self._batch.running:
            return True
        try:
            if self._broken:
                raise EngineError(self._broken)
            self._batch.start()
        except Exception as error:
            logger.exception("continuous batching does not start")
            self._fail_all(error)
            return False
        return True

    def _fail_all(self, error: Exception) -> None:
        while self._waiting:
            asked = self._waiting.popleft()
            self._suspects.discard(asked)
            failure = failure_of(error, asked.request)
            self._hand_over(asked, GenerationFailure(failure.error, kind=failure.kind, down=True))

    def _advance(self, output: Any) -> None:
        """Take what the batch has made of one answer so far."""
        asked = self._under_way.get(output.request_id)
        if asked is None or asked.prompt is None:
            return  # a token more of an answer that has ended or was given up
        if output.error is not None:
            if self._batch.running:  # of this one alone; else all have failed, and the batch has to be seen to
                self._leave(output.request_id, ended=True)
                self._hand_over(asked, failure_of(RuntimeError(output.error), asked.request))
            return
        ids = list(output.generated_tokens)
        stop = self._codec.stopped_at(ids, seen=asked.seen)
        asked.seen = len(ids)
        if stop is None and not output.is_finished():
            return
        self._leave(output.request_id, ended=output.is_finished())
        self._finish(asked, TokenAnswer(asked.prompt, ids[:stop], time.perf_counter() - asked.began))

    def _finish(self, asked: _Asked, answer: TokenAnswer) -> None:
        if self._codec.ended_early(answer):
            self._make_plainly(asked)  # the batch knows no least number of tokens
        else:
            self._hand_over(asked, self._codec.result(answer))

    def _leave(self, name: str, *, ended: bool) -> None:
        self._suspects.discard(self._under_way.pop(name))
        self._batch.remove(name, ended=ended)

    def _make_plainly(self, asked: _Asked) -> None:
        self._suspects.discard(asked)
        self._beside.submit(self._plainly, asked)

    def _plainly(self, asked: _Asked) -> None:
        if asked not in self._open or self._closed.is_set():
            return
        try:
            (result,) = self._plain.generate([asked.request])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told as the reason
            result = failure_of(error, asked.request)
        self._hand_over(asked, result)

    def _recover(self) -> None:
        """The batch has ended with an error: begin another one with those that were in it, fewer at once.

        Only one that was alone has failed for certain.
        """
        error = self._batch.stop() or EngineError("Continuous batching has ended without saying why.")
        asked = list(self._under_way.values())
        self._under_way.clear()
        logger.warning("continuous batching has ended with %d under way: %s", len(asked), type(error).__name__)
        self._waiting.extendleft(reversed(asked))
        if _of_the_device(error):
            self._broken = "The GPU has reported an error, and this process cannot use it any more. Start it anew."
            self._fail_all(EngineError(self._broken))
        elif len(asked) == 1:
            self._suspects.discard(self._waiting.popleft())
            self._hand_over(asked[0], _alone(error, asked[0]))
        elif _of_memory(error):
            self._most = len(asked) // 2
        else:
            self._suspects = set(asked)

    def _hand_over(self, asked: _Asked, result: GenerationResult | GenerationFailure) -> None:
        if not self._settled(asked):
            return
        try:
            asked.deliver(result)
        except Exception:
            logger.exception("an answer could not be handed over")


def _alone(error: Exception, asked: _Asked) -> GenerationFailure:
    if not _of_memory(error):
        return failure_of(error, asked.request)
    return GenerationFailure(
        "The device ran out of memory on this prompt alone. Lower max_new_tokens, use a smaller dtype or model, or "
        "free the device's memory.",
        kind="The device ran out of memory on a prompt alone.",
    )


def _of_memory(error: Exception) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError)


def _of_the_device(error: Exception) -> bool:
    """Whether it is an error after which CUDA refuses everything, such as a failed assertion in a kernel."""
    import torch

    return isinstance(error, torch.AcceleratorError)
