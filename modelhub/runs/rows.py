"""Run a stage that asks an engine row by row, so that it can be stopped, killed, split and continued.

What is finished is known by its key in the database, never by position: the same command goes on where it was.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

from django.db import IntegrityError, transaction

from annotation.errors import ServiceError
from modelhub.engines import load_engine
from modelhub.engines.base import Engine, GenerationFailure, GenerationRequest, GenerationResult
from modelhub.engines.decoding import plain_text
from modelhub.models import Generation, Run, System
from modelhub.prompting.endings import NEXT_PROMPT
from modelhub.runs.failures import Failures
from modelhub.runs.parameters import BatchOptions
from modelhub.runs.recording import Execution, recorded_run
from modelhub.runs.stage import Remaining, Reporting, Stage
from modelhub.systems.registering import engine_settings, present_fingerprint

logger = logging.getLogger(__name__)

B = TypeVar("B", bound=BatchOptions)
_SCOPE_LENGTH = 200
_DRY_RUN_PROMPTS = 2


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


def tasks_left(stage: EngineStage, options: BatchOptions) -> list[Task]:
    """Return what the stage would do now: the rows of this shard that are not stored, at most `limit`."""
    mine = (task for task in stage.tasks() if options.shard.holds(task.key))
    return list(islice(mine, options.limit))


def run_engine_stage(
    stage: EngineStage,
    options: BatchOptions,
    reporting: Reporting | None = None,
) -> StageReport:
    """Make every row that is left, batch by batch, and return what was done.

    Ctrl-C closes the run as stopped and goes on up. Raises ScopeTaken while another run does the same, and
    ServiceError if the system's files have changed since it was registered or its engine cannot go on; what was
    stored stays.
    """
    reporting = reporting or Reporting()
    _check_unchanged(stage.system)
    check_conditions(stage)
    tasks = tasks_left(stage, options)
    failures = Failures()
    with recorded_run(
        stage=stage.name, scope=_scope(stage, options), subject=stage.subject, conditions=stage.conditions,
        arguments=_arguments(stage, options), total=len(tasks), lease_seconds=options.lease_seconds, named=True,
    ) as execution:  # fmt: skip
        reporting.start(len(tasks))
        try:
            if tasks:
                _work(stage, execution, tasks, options, failures, reporting)
        finally:
            execution.remark = failures.summary()
    return StageReport(execution.run, execution.done, failures)


def run_engine_stages(stages: Sequence[EngineStage], options: BatchOptions, reporting: Reporting, *, unit: str) -> None:
    """Run the stages in turn. Raises ServiceError with the reasons of all rows that failed, unless that is allowed."""
    reasons = []
    for stage in stages:
        report = run_engine_stage(stage, options, reporting)
        reporting.say(f"Run {report.run.key}: {report.done} {unit} made, {report.failures.count_in_words()}.")
        if report.failures.total:
            reasons.append(report.run.message)
    if reasons and not reporting.allow_failed:
        raise ServiceError("\n".join(reasons))


def show_engine_stages(
    stages: Sequence[EngineStage], options: BatchOptions, reporting: Reporting, *, unit: str
) -> None:
    """Say what the stages would ask first, and how many rows they would make."""
    for stage in stages:
        check_conditions(stage)
        tasks = tasks_left(stage, options)
        for task in tasks[:_DRY_RUN_PROMPTS]:
            request = stage.request(task)
            message = f"{request.system_message}\n\n" if request.system_message else ""
            reporting.say(f"--- {task.key}\n{message}{request.rendered}\n")
        reporting.say(f"{len(tasks)} {unit} to make. Nothing was made or stored: this was a dry run.")


def engine_stage(
    *,
    name: str,
    summary: str,
    unit: str,
    parameters: type[B],
    stages: Callable[[B, Reporting], Sequence[EngineStage]],
) -> Stage[B]:
    """Declare a stage that asks systems row by row; `stages` returns one for each system that is asked."""
    return Stage(
        name=name,
        summary=summary,
        unit=unit,
        parameters=parameters,
        run=lambda wanted, reporting: run_engine_stages(stages(wanted, reporting), wanted, reporting, unit=unit),
        dry_run=lambda wanted, reporting: show_engine_stages(stages(wanted, reporting), wanted, reporting, unit=unit),
        left=lambda wanted: Remaining(sum(len(tasks_left(one, wanted)) for one in stages(wanted, Reporting()))),
    )


def _work(
    stage: EngineStage,
    execution: Execution,
    tasks: Sequence[Task],
    options: BatchOptions,
    failures: Failures,
    reporting: Reporting,
) -> None:
    # An engine frees its model when it goes. It stays while the next system stands on the same model, which is loaded
    # once then, and goes before another one is loaded, since memory may not hold two.
    if any(model != stage.system.model for model, _ in reporting.engines):
        reporting.engines.clear()
    # Loading a large model takes longer than a lease, so it happens while the run is recorded.
    settings = engine_settings(stage.system, defaults=stage.defaults)
    engine = load_engine(stage.system.engine, settings, stop=stage.defaults.get("stop", NEXT_PROMPT))
    execution.usage = engine.usage
    reporting.engines.append((stage.system.model, engine))
    for start in range(0, len(tasks), options.batch_size):
        batch = tasks[start : start + options.batch_size]
        done, failed = _batch(stage, execution.run, engine, batch, failures)
        execution.advance(done, failed=failed)
        reporting.advance(len(batch))


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
        served=dict(result.served),
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
        **options.stored(),
        "subject": stage.subject,
        "selection": stage.selection,
        "conditions": stage.conditions,
        "system": system.name,
        "fingerprint": system.fingerprint,
        "decoding": engine_settings(system, defaults=stage.defaults).decoding,
        "options": system.options,
    }


def check_conditions(stage: EngineStage) -> None:
    """Raise ServiceError if rows of this subject were made in another way: the two kinds could not be told apart."""
    earlier = Run.objects.filter(stage=stage.name, subject=stage.subject, generations__isnull=False)
    for run in earlier.distinct():
        if run.conditions != stage.conditions:
            before, now = (json.dumps(one, sort_keys=True) for one in (run.conditions, stage.conditions))
            raise ServiceError(
                f"Run {run.key} made rows of {stage.subject} under other conditions: {before}; now {now}. Register the "
                "system under another name to make them anew, or give the same options."
            )


def _check_unchanged(system: System) -> None:
    if present_fingerprint(system) != system.fingerprint:
        raise ServiceError(
            f"The files of system {system.name!r}, or the layout of its prompts, have changed since it was registered. "
            "Restore the files, or register what it is now under another name."
        )
