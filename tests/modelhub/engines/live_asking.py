"""Ask live engines, in tests."""

import queue
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from modelhub.engines import engine_module
from modelhub.engines.base import EngineSettings, GenerationFailure, GenerationRequest, GenerationResult, LiveEngine
from tests.modelhub.engines.asking import LENGTH

PATIENCE = 60  # seconds, after which a test that waits for an answer has failed

Delivered = GenerationResult | GenerationFailure


@contextmanager
def live(
    engine: str, model: Path, adapter: Path | str = "", *, options: dict[str, Any] | None = None, **decoding: Any
) -> Iterator[Any]:
    """A live engine, loaded as `asking.load` loads one, until the end of the block."""
    settings = EngineSettings(
        str(model), str(adapter), decoding={"max_new_tokens": LENGTH, "dtype": "float32"} | decoding,
        options=options or {},
    )  # fmt: skip
    with closing(engine_module(engine).live(settings)) as loaded:  # type: ignore[attr-defined]
        yield loaded


class Answers:
    """What was delivered, by the number of the request; each once."""

    def __init__(self) -> None:
        self._arrived: queue.Queue[tuple[int, Delivered]] = queue.Queue()

    def start(self, engine: LiveEngine, number: int, asked: GenerationRequest) -> Any:
        return engine.start(asked, lambda one: self._arrived.put((number, one)))

    def next(self) -> tuple[int, Delivered]:
        return self._arrived.get(timeout=PATIENCE)

    def take(self, count: int) -> dict[int, Delivered]:
        """Wait for so many."""
        taken = dict(self.next() for _ in range(count))
        assert len(taken) == count
        return taken

    @property
    def none_left(self) -> bool:
        return self._arrived.empty()


def ask(engine: LiveEngine, asked: Sequence[GenerationRequest]) -> list[Delivered]:
    """Start all requests at once and return what was delivered, in their order."""
    answers = Answers()
    for number, one in enumerate(asked):
        answers.start(engine, number, one)
    taken = answers.take(len(asked))
    return [taken[number] for number in range(len(asked))]


def made(engine: LiveEngine, asked: Sequence[GenerationRequest]) -> list[GenerationResult]:
    """The same, all of which must have been answered."""
    delivered = ask(engine, asked)
    results = [one for one in delivered if isinstance(one, GenerationResult)]
    assert len(results) == len(asked), delivered
    return results
