"""Answers of requests that are handed over in batches, made in a thread: others are prepared and stored meanwhile."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from modelhub.engines.base import Answer, GenerationRequest

AnswerBatch = Callable[[Sequence[GenerationRequest]], Iterable[Answer]]
"""Returns the answers by their place in the batch, in any order, as they are made."""


@dataclass
class _Line:
    """Batches on their way to the thread (None: no more), and what it made of them (None: a batch is through)."""

    batches: "queue.SimpleQueue[list[GenerationRequest] | None]" = field(default_factory=queue.SimpleQueue)
    made: "queue.SimpleQueue[Answer | BaseException | None]" = field(default_factory=queue.SimpleQueue)
    given_up: threading.Event = field(default_factory=threading.Event)


def in_batches(
    answer: AnswerBatch,
    requests: Iterator[GenerationRequest],
    *,
    size: int,
    abandon: Callable[[], object] = lambda: None,
) -> Generator[Answer]:
    """Yield what `answer` makes of the requests, `size` at a time, with one batch waiting behind that being made.

    What it raises is raised here, after all that was made before. `abandon` ends what is being made, from another
    thread, when whoever asks closes the iterator.
    """
    line = _Line()
    thread = threading.Thread(target=_work, args=[answer, line], name="batches", daemon=True)
    thread.start()
    try:
        yield from _answers(line, requests, size)
    except BaseException:
        line.given_up.set()
        abandon()
        raise
    finally:
        line.batches.put(None)
        thread.join()  # a process that ends while one of its threads is in torch is aborted


def _answers(line: _Line, requests: Iterator[GenerationRequest], size: int) -> Iterator[Answer]:
    first, sizes = 0, deque[int]()  # the number of the first request of the batch being made; of it and the next
    while True:
        while len(sizes) < 2 and (batch := list(islice(requests, size))):
            line.batches.put(batch)
            sizes.append(len(batch))
        if not sizes:
            return
        made = line.made.get()
        if isinstance(made, BaseException):
            raise made
        if made is None:
            first += sizes.popleft()
        else:
            place, outcome = made
            yield first + place, outcome


def _work(answer: AnswerBatch, line: _Line) -> None:
    while (batch := line.batches.get()) is not None and not line.given_up.is_set():
        try:
            for made in answer(batch):
                if line.given_up.is_set():
                    return
                line.made.put(made)
            line.made.put(None)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            line.made.put(error)
            return
