"""Answers batch by batch, made in a thread of their own: others are prepared and stored meanwhile."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from modelhub.engines.base import Answer, GenerationFailure, GenerationRequest, GenerationResult

Generate = Callable[[Sequence[GenerationRequest]], list[GenerationResult | GenerationFailure]]
_Made = list[GenerationResult | GenerationFailure] | BaseException


@dataclass
class _Line:
    """Batches on their way to the thread (None: no more), and what it made of each, in their order."""

    batches: "queue.SimpleQueue[list[GenerationRequest] | None]" = field(default_factory=queue.SimpleQueue)
    made: "queue.SimpleQueue[_Made]" = field(default_factory=queue.SimpleQueue)
    given_up: threading.Event = field(default_factory=threading.Event)


def in_batches(
    generate: Generate,
    requests: Iterator[GenerationRequest],
    *,
    size: int,
    abandon: Callable[[], object] = lambda: None,
) -> Generator[Answer]:
    """Yield what `generate` makes of the requests, `size` at a time, with one batch waiting behind that being made.

    What it raises is raised here, after all that was made before. `abandon` ends what is being made, from another
    thread, when whoever asks closes the iterator.
    """
    line = _Line()
    thread = threading.Thread(target=_work, args=[generate, line], name="batches", daemon=True)
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
    first = waiting = 0
    while True:
        while waiting < 2 and (batch := list(islice(requests, size))):
            line.batches.put(batch)
            waiting += 1
        if not waiting:
            return
        made = line.made.get()
        waiting -= 1
        if isinstance(made, BaseException):
            raise made
        yield from enumerate(made, start=first)
        first += len(made)


def _work(generate: Generate, line: _Line) -> None:
    while (batch := line.batches.get()) is not None and not line.given_up.is_set():
        try:
            line.made.put(generate(batch))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            line.made.put(error)
            return
