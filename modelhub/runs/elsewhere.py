"""Rows that are answered elsewhere: their requests go to a folder, and what comes back there is stored, by key."""

import hashlib
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.forms import model_to_dict

from annotation.errors import ServiceError
from modelhub.engines.base import GenerationFailure, GenerationRequest, GenerationResult
from modelhub.exchange.answering import Written
from modelhub.exchange.folder import About, AnswerIndex, Exchange
from modelhub.exchange.on_ray import answer_on_ray
from modelhub.models import System
from modelhub.runs.engine_stage import EngineStage, Task, tasks_left
from modelhub.runs.parameters import BatchOptions
from modelhub.runs.stage import Reporting
from modelhub.systems.procedures import requests_per_output

_SYSTEM_FIELDS = (
    "name", "engine", "model", "adapter", "endpoint", "persona_style", "decoding", "options", "exemplars",
    "procedure", "fingerprint",
)  # fmt: skip
_PORTION = 500


class Writer(Protocol):
    """What takes the answers of rows and writes them to the database."""

    def add(self, task: Task, request: GenerationRequest, result: GenerationResult | GenerationFailure) -> None: ...

    def flush(self) -> None: ...


def work_elsewhere(stage: EngineStage, options: BatchOptions, scope: str, writer: Writer, reporting: Reporting) -> None:
    """Let all rows that are left be answered elsewhere, and hand what comes to `writer`, in the order of the rows.

    On Ray that is waited for; answers of an earlier call that are not stored yet are not asked for again. With a
    folder, what `answer_requests` has put there by now is taken, and what waits for it is said. A folder is deleted
    when all that was ever asked there is stored, by whatever shard or limit.

    Raises ServiceError if the folder is for other rows, the system makes several requests of each, or Ray cannot go on;
    what was answered stays in the folder.
    """
    _check_single_requests(stage.system)
    exchange = Exchange(exchange_folder(options, scope))
    exchange.begin(_about(stage))
    index = AnswerIndex(exchange)
    on_ray = options.on.kind == "ray"
    index.take_all(failures=not on_ray)  # on Ray they are tried again now
    _ask(stage, options, exchange, index)
    waiting = 0
    with closing(_coming(options, exchange)) as coming:
        for task, outcome in _outcomes(stage, options, index, coming):
            if outcome is None:
                waiting += 1
            else:
                writer.add(task, stage.request(task), outcome)
    writer.flush()
    if waiting:
        reporting.say(
            f"{waiting} rows wait in {exchange.folder} to be answered, by answer_requests {exchange.folder}. Then give "
            "this command again."
        )
    elif not _not_stored(stage, exchange.requested()):
        exchange.remove()


def _coming(options: BatchOptions, exchange: Exchange) -> Generator[Written]:
    if options.on.kind == "ray":
        yield from answer_on_ray(exchange, options.on.address)


def _not_stored(stage: EngineStage, keys: set[str]) -> set[str]:
    """Return those of the keys that no stored row of the stage has."""
    tasks, left = (task for task in stage.tasks() if task.key in keys), set(keys)
    while left and (portion := list(islice(tasks, _PORTION))):
        left -= stage.stored(portion)
    return left


def exchange_folder(options: BatchOptions, scope: str) -> Path:
    """Return the folder that is named, or that of these rows in VAR_DIR."""
    if options.exchange:
        return Path(options.exchange).resolve()
    return Path(settings.VAR_DIR) / "exchange" / hashlib.sha256(scope.encode("utf-8")).hexdigest()[:16]


def _check_single_requests(system: System) -> None:
    """Raise ServiceError for a system whose later requests hold its earlier answers: a folder holds one a row."""
    if (count := requests_per_output(system)) > 1:
        raise ServiceError(
            f"System {system.name!r} makes {count} requests for each output ({system.procedure_name}), each with the "
            "answer to the one before, and rows that are answered elsewhere have one. Leave out --on: run the stage "
            "where the model is, or register a system with the openai engine that asks the other machine's server."
        )


def _about(stage: EngineStage) -> About:
    system = model_to_dict(stage.system, fields=_SYSTEM_FIELDS)
    if not system["procedure"]:  # so that folders from before there were any stay what they are
        del system["procedure"]
    return About(
        stage=stage.name,
        subject=stage.subject,
        conditions=stage.conditions,
        system=system,
        defaults=stage.defaults,
    )


def _ask(stage: EngineStage, options: BatchOptions, exchange: Exchange, index: AnswerIndex) -> None:
    requested = exchange.requested()
    left = (task for task in tasks_left(stage, options) if task.key not in requested)
    exchange.add_requests((task.key, stage.request(task)) for task in left if not index.is_answered(task.key))


def _outcomes(
    stage: EngineStage, options: BatchOptions, index: AnswerIndex, coming: Iterator[Written]
) -> Iterator[tuple[Task, GenerationResult | GenerationFailure | None]]:
    """Yield what came of each row, in their order, as soon as all of a portion has come; None if nothing did."""
    tasks = tasks_left(stage, options)
    while portion := list(islice(tasks, _PORTION)):
        while any(index.outcome(task.key) is None for task in portion):
            if (written := next(coming, None)) is None:
                index.take_all()  # a node that died may have written a file without a word
                break
            index.take(written.file)
        yield from ((task, index.outcome(task.key)) for task in portion)
