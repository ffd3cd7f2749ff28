"""Answer the requests of a folder with the system that they are for, without a database."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from annotation.errors import ServiceError
from modelhub.engines import load_engine
from modelhub.engines.adapterfiles import check_adapter
from modelhub.engines.base import Engine, EngineSettings, GenerationFailure, GenerationRequest
from modelhub.engines.decoding import Decoding, parse_decoding
from modelhub.engines.vllm.settings import model_arguments, parse_options, rank_wanted
from modelhub.exchange.folder import AnswerIndex, Exchange, Outcome
from modelhub.models import System
from modelhub.prompting.endings import NEXT_PROMPT
from modelhub.systems.registering import engine_settings, present_fingerprint

WRITE_SECONDS = 30.0
WRITTEN_AT_ONCE = 64  # rows


@dataclass(frozen=True)
class Written:
    """A file of answers that was written: how many rows were answered, and how many failed."""

    file: str
    done: int
    failed: int


def load_answering(exchange: Exchange) -> Engine:
    """Return the engine of the system that a folder's requests are for.

    Raises ServiceError as `checked_settings` does, and EngineError if it cannot be loaded.
    """
    about = exchange.about()
    stop = about.defaults.get("stop", NEXT_PROMPT)
    return load_engine(about.system["engine"], checked_settings(exchange), stop=stop)


def checked_settings(exchange: Exchange) -> EngineSettings:
    """Return the engine settings of the system that a folder's requests are for.

    Raises ServiceError if the model's files here are others than those that were registered.
    """
    about = exchange.about()
    system = System(**about.system)
    if present_fingerprint(system) != system.fingerprint:
        raise ServiceError(
            f"The files of system {system.name!r} on this machine are not those that were registered. Copy those here, "
            "to the same place."
        )
    return engine_settings(system, defaults=about.defaults)


def vllm_arguments(settings: EngineSettings) -> tuple[Decoding, dict[str, Any]]:
    """Return how a system of the vllm engine decodes, and what vLLM is told of its model.

    Raises EngineError for settings that cannot be used.
    """
    decoding, options = parse_decoding(settings.decoding), parse_options(settings)
    check_adapter(settings.adapter, settings.model)
    rank = rank_wanted(settings, options)
    return decoding, dict(model_arguments(settings.model, decoding, options, rank=rank, loras=1))


def answer_parts(
    exchange: Exchange, engine: Engine, parts: Sequence[str], index: AnswerIndex | None = None
) -> Iterator[Written]:
    """Answer what is not answered yet of some files of requests, and yield each file of answers as it is written.

    `index` is what the caller knows of earlier answers, so that those are looked through once and not for each file.
    Answers are written when WRITTEN_AT_ONCE have come, or with the first that comes after one has waited WRITE_SECONDS.
    """
    known, keys = index or AnswerIndex(exchange), dict[int, str]()

    def requests() -> Iterator[GenerationRequest]:
        left = (row for part in parts for row in known.left_of(part))
        for number, (key, request) in enumerate(left):
            keys[number] = key
            yield request

    pending = _Pending(exchange)
    try:
        with closing(engine.stream(requests(), ahead=WRITTEN_AT_ONCE)) as answers:
            for number, one in answers:
                yield from pending.add(keys.pop(number), one)
    except BaseException:
        pending.write()
        raise
    yield from pending.write()


@dataclass
class _Pending:
    """What has come and is not written yet."""

    exchange: Exchange
    rows: list[tuple[str, Outcome]] = field(default_factory=list)
    since: float = 0.0  # when the first of them has come

    def add(self, key: str, one: Outcome) -> list[Written]:
        if not self.rows:
            self.since = time.monotonic()
        self.rows.append((key, one))
        full = len(self.rows) >= WRITTEN_AT_ONCE or time.monotonic() - self.since > WRITE_SECONDS
        return self.write() if full else []

    def write(self) -> list[Written]:
        """Write what has come; nothing if nothing has."""
        rows, self.rows = self.rows, []
        if not rows:
            return []
        failed = sum(isinstance(one, GenerationFailure) for _, one in rows)
        return [Written(self.exchange.add_answers(rows), len(rows) - failed, failed)]
