"""Any engine as one that takes requests at any time: a thread answers what is waiting, a small batch at a time."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelhub.engines.base import Cancel, Deliver, Engine, GenerationFailure, GenerationRequest, GenerationResult
from modelhub.engines.reasons import failure_of


@dataclass(eq=False)
class _Waiting:
    request: GenerationRequest
    deliver: Deliver
    given_up: threading.Event = field(default_factory=threading.Event)

    def hand_over(self, result: GenerationResult | GenerationFailure) -> None:
        if not self.given_up.is_set():
            self.deliver(result)


class BatchedEngine:
    """A live engine around one that answers batches. What has been begun is not interrupted when it is given up."""

    def __init__(self, engine: Engine, *, slots: int) -> None:
        self.slots = slots
        self._engine = engine
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        threading.Thread(target=self._work, name="batched engine", daemon=True).start()

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
                batch[0].hand_over(failure_of(error, batch[0].request))
                return
            for one in batch:
                self._answer([one])
            return
        for one, result in zip(batch, results, strict=True):
            one.hand_over(result)
