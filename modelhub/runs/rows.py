"""Run a stage that asks an engine row by row, so that it can be stopped, killed, split and continued.

What is finished is known by its key in the database, never by position: the same command goes on where it was.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

from django.db import DatabaseError, IntegrityError, transaction

from annotation.errors import ServiceError
from modelhub.engines import engine_module
from modelhub.engines.base import Engine, EngineError, GenerationFailure, GenerationRequest, GenerationResult
from modelhub.engines.decoding import plain_text
from modelhub.models import Generation, Run, System
from modelhub.runs.failures import Failures
from modelhub.runs.heartbeat import Heartbeat
from modelhub.runs.lifecycle import LEASE_SECONDS, run_finish, run_heartbeat, run_start
from modelhub.systems.registering import engine_settings, present_fingerprint
from personaeval.storage import storage_problem

logger = logging.getLogger(__name__)

BATCH_SIZE = 64
_SCOPE_LENGTH = 200


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, from 1. Rows belong to a part by their key, so every machine agrees on the split."""

    number: int = 1
    count: int = 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def holds(self, key: str) -> bool:
        """Return whether the row of this key belongs to the part."""
        digest = hashlib.sha256(key.encode("utf-8")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1


@dataclass(frozen=True)
class BatchOptions:
    """What every stage can be told. `batch_size` rows are stored together; `limit` is the most rows made."""

    limit: int | None = None
    shard: Shard = field(default_factory=Shard)
    batch_size: int = BATCH_SIZE
    lease_seconds: int = LEASE_SECONDS


@dataclass(frozen=True)
class Task:
    """One row to be made: its key within the stage, and what it is about. Its prompt is rendered in its turn."""

    key: str
    row: Any


class EngineStage(Protocol):
    """A stage that asks one system once per row."""

    @property
    def name(self) -> str:
        """The stage's name, under which its runs are found."""

    @property
    def system(self) -> System:
        """What is asked."""

    @property
    def defaults(self) -> dict[str, Any]:
        """The decoding settings that hold where the system says nothing."""

    @property
    def subject(self) -> str:
        """What its rows are about, such as data set and inferring system: rows of one subject are made alike."""

    @property
    def selection(self) -> str:
        """Which rows of the subject this run works on, such as a split."""

    @property
    def conditions(self) -> dict[str, Any]:
        """All that shapes a row, beside the system: the template, exemplars, profile."""

    def tasks(self) -> Iterator[Task]:
        """Yield what is not stored yet, in a fixed order."""

    def request(self, task: Task) -> GenerationRequest:
        """Return what the system is asked for this row."""

    def store(self, *, run: Run, task: Task, generation: Generation) -> None:
        """Write one row, with the generation that was just created; called inside a transaction."""

    def is_stored(self, task: Task) -> bool:
        """Return whether somebody else has written the row meanwhile."""


@dataclass(frozen=True)
class StageReport:
    """What a run did. All rows that are not stored, `failures` too, are asked for by the same command, called again."""

    run: Run
    done: int
    failures: Failures


@dataclass
class _Progress:
    done: int = 0
    failures: Failures = field(default_factory=Failures)
    engine: Engine | None = None


def tasks_left(stage: EngineStage, options: BatchOptions) -> list[Task]:
    """Return what the stage would do now: the rows of this shard that are not stored, at most `limit`."""
    mine = (task for task in stage.tasks() if options.shard.holds(task.key))
    return list(islice(mine, options.limit))


def run_engine_stage(
    stage: EngineStage,
    options: BatchOptions,
    *,
    on_start: Callable[[int], object] = lambda total: None,
    on_rows: Callable[[int], object] = lambda count: None,
    on_engine: Callable[[Engine], object] = lambda engine: None,
) -> StageReport:
    """Make every row that is left, batch by batch, and return what was done.

    `on_engine` is handed the engine once it is loaded, to keep it beyond the run.

    Ctrl-C closes the run as stopped and goes on up. Raises ScopeTaken while another run does the same, and
    ServiceError if the system's files have changed since it was registered or its engine cannot go on; what was
    stored stays.
    """
    _check_unchanged(stage.system)
    check_conditions(stage)
    tasks = tasks_left(stage, options)
    run = run_start(
        stage=stage.name,
        scope=_scope(stage, options),
        arguments=_arguments(stage, options),
        total=len(tasks),
        lease_seconds=options.lease_seconds,
    )
    on_start(len(tasks))
    progress = _Progress()
    _close(run, progress, lambda: _work(stage, run, tasks, options, progress, on_rows, on_engine))
    return StageReport(run, progress.done, progress.failures)


def _close(run: Run, progress: _Progress, work: Callable[[], None]) -> None:
    """Do the work, and close the run however that ends, short of a kill: with what the engine used until then."""
    state, message = Run.State.FAILED, "It ended with an error; see the terminal."
    try:
        work()
        state, message = Run.State.FINISHED, ""
    except KeyboardInterrupt:
        state, message = Run.State.STOPPED, "Stopped by a signal. The same command goes on from here."
        raise
    except (EngineError, ServiceError) as error:
        message = str(error)
        raise ServiceError(f"Run {run.key} failed after {progress.done} rows: {error}") from error
    except (DatabaseError, OSError) as error:
        message = storage_problem(error) or message
        raise
    finally:
        usage = progress.engine.usage() if progress.engine else {}
        said = [text for text in (message, progress.failures.summary()) if text]
        run_finish(run=run, state=state, message="\n".join(said), usage=usage)


def _work(
    stage: EngineStage,
    run: Run,
    tasks: Sequence[Task],
    options: BatchOptions,
    progress: _Progress,
    on_rows: Callable[[int], object],
    on_engine: Callable[[Engine], object],
) -> None:
    if not tasks:
        return
    with Heartbeat(run, lease_seconds=options.lease_seconds):
        # Loading a large model takes longer than a lease, so it happens under the heartbeat.
        engine = engine_module(stage.system.engine).create(engine_settings(stage.system, defaults=stage.defaults))
        progress.engine = engine
        on_engine(engine)
        for start in range(0, len(tasks), options.batch_size):
            batch = tasks[start : start + options.batch_size]
            done, failed = _batch(stage, run, engine, batch, progress.failures)
            progress.done += done
            run_heartbeat(run=run, done=done, failed=failed, lease_seconds=options.lease_seconds)
            on_rows(len(batch))


def _batch(stage: EngineStage, run: Run, engine: Engine, batch: Sequence[Task], failures: Failures) -> tuple[int, int]:
    """Make and store some rows, add what failed to `failures`, and return how many are done and have failed."""
    requests = [stage.request(task) for task in batch]
    results = engine.generate(requests)
    done, failed = 0, []
    with transaction.atomic():
        for task, request, result in zip(batch, requests, results, strict=True):
            if isinstance(result, GenerationFailure):
                logger.warning("run %s: row %s failed: %s", run.key, task.key, result.error)
                failed.append((task.key, result))
            else:
                done += _store(stage, run, task, request, result)
    for key, failure in failed:
        failures.add(key, failure)
    return done, len(failed)


def _store(stage: EngineStage, run: Run, task: Task, request: GenerationRequest, result: GenerationResult) -> bool:
    """Write one row; False if another run, with other shards, has written it meanwhile."""
    if stage.is_stored(task):
        return False
    try:
        with transaction.atomic():
            stage.store(run=run, task=task, generation=_generation(stage.system, run, request, result))
    except IntegrityError:
        if not stage.is_stored(task):
            raise
        return False
    return True


def _generation(system: System, run: Run, request: GenerationRequest, result: GenerationResult) -> Generation:
    return Generation.objects.create(
        run=run,
        system=system,
        text=result.text,
        rendered_prompt=plain_text(request),
        finish_reason=result.finish_reason,
        prompt_tokens=result.prompt_tokens,
        completion_tokens=result.completion_tokens,
        seconds=result.seconds,
    )


def _scope(stage: EngineStage, options: BatchOptions) -> str:
    """Return the run's scope; a long one is cut, with a digest in place of its end."""
    scope = f"{stage.name}:{stage.subject}:{stage.selection}:{options.shard}"
    if len(scope) <= _SCOPE_LENGTH:
        return scope
    digest = hashlib.sha256(scope.encode("utf-8")).hexdigest()
    return f"{scope[: _SCOPE_LENGTH - len(digest) - 1]}:{digest}"


def _arguments(stage: EngineStage, options: BatchOptions) -> dict[str, Any]:
    system = stage.system
    return {
        "subject": stage.subject,
        "selection": stage.selection,
        "conditions": stage.conditions,
        "system": system.name,
        "fingerprint": system.fingerprint,
        "decoding": engine_settings(system, defaults=stage.defaults).decoding,
        "options": system.options,
        "shard": str(options.shard),
        "limit": options.limit,
        "batch_size": options.batch_size,
        "lease_seconds": options.lease_seconds,
    }


def check_conditions(stage: EngineStage) -> None:
    """Raise ServiceError if rows of this subject were made in another way: the two kinds could not be told apart."""
    earlier = Run.objects.filter(stage=stage.name, arguments__subject=stage.subject, generations__isnull=False)
    for run in earlier.distinct():
        if run.arguments["conditions"] != stage.conditions:
            before, now = (json.dumps(one, sort_keys=True) for one in (run.arguments["conditions"], stage.conditions))
            raise ServiceError(
                f"Run {run.key} made rows of {stage.subject} under other conditions: {before}; now {now}. Register the "
                "system under another name to make them anew, or give the same options."
            )


def _check_unchanged(system: System) -> None:
    if present_fingerprint(system) != system.fingerprint:
        raise ServiceError(
            f"The files of system {system.name!r} have changed since it was registered. Restore them, or register what "
            "they are now under another name."
        )
