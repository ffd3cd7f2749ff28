"""Any engine as one that takes requests at any time: a thread answers what is waiting, a small batch at a time."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelhub.engines.base import BatchEngine, Cancel, Deliver, GenerationFailure, GenerationRequest, GenerationResult
from modelhub.engines.reasons import failure_of


@dataclass(eq=False)
class _Waiting:
    request: GenerationRequest
    deliver: Deliver
    given_up: threading.Event = field(default_factory=threading.Event)


class BatchedEngine:
    """A live engine around one that answers batches. What has been begun is not interrupted when it is given up.

    `abandon`, where the engine has it, ends what is being made, from another thread.
    """

    def __init__(self, engine: BatchEngine, *, slots: int, abandon: Callable[[], None] | None = None) -> None:
        self.slots = slots
        self._engine = engine
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._abandon = abandon
        self._thread = threading.Thread(target=self._work, name="batched engine", daemon=True)
        self._thread.start()

    def start(self, request: GenerationRequest, deliver: Deliver) -> Cancel:
        """Put the request in line."""
        waiting = _Waiting(request, deliver)
        with self._changed:
            self._waiting.append(waiting)
            self._changed.notify()
        return waiting.given_up.set

    def served(self) -> Mapping[str, Any]:
        """Return nothing: the files behind the engine are read in this process, and have a digest of their own."""
        return {}

    def close(self) -> None:
        """Give up what waits; the thread ends when its batch does."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify()
        if self._abandon is not None:
            self._abandon()
            # A process that ends while one of its threads is in torch is aborted.
            if threading.current_thread() is not self._thread:
                self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            self._answer(batch)

    def _next(self) -> list[_Waiting]:
        """Return what waits, up to a batch; nothing when the engine is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            batch = [self._waiting.popleft() for _ in range(min(self.slots, len(self._waiting)))]
        return [one for one in batch if not one.given_up.is_set()] or ([] if self._closed else self._next())

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        """Answer all at once; if that fails, one by one, so that one bad prompt harms no other."""
        try:
            results = self._engine.generate([one.request for one in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told as the reason and ends nothing else
            if len(batch) == 1:
                self._hand_over(batch[0], failure_of(error, batch[0].request))
                return
            for one in batch:
                self._answer([one])
            return
        for one, result in zip(batch, results, strict=True):
            self._hand_over(one, result)

    def _hand_over(self, waiting: _Waiting, result: GenerationResult | GenerationFailure) -> None:
        if not self._closed and not waiting.given_up.is_set():  # closed: it may have been broken off
            waiting.deliver(result)
