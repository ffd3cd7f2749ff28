"""Run a stage that asks an engine row by row, so that it can be stopped, killed, split and continued.

What is finished is known by its key in the database, never by position: the same command goes on where it was.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, TypeVar

from annotation.errors import ServiceError
from modelhub.engines import load_engine
from modelhub.engines.base import Engine, GenerationFailure, GenerationRequest, GenerationResult
from modelhub.engines.tokens import TokenUsage
from modelhub.models import Run, System
from modelhub.prompting.endings import NEXT_PROMPT
from modelhub.runs.elsewhere import work_elsewhere
from modelhub.runs.engine_stage import EngineStage, Task, tasks_left
from modelhub.runs.failures import Failures
from modelhub.runs.parameters import BatchOptions
from modelhub.runs.recording import Execution, recorded_run
from modelhub.runs.stage import Remaining, Reporting, Stage
from modelhub.runs.storing import Answered, RowStore
from modelhub.systems.registering import engine_settings, present_fingerprint

logger = logging.getLogger(__name__)

B = TypeVar("B", bound=BatchOptions)
_SCOPE_LENGTH = 200
_DRY_RUN_PROMPTS = 2
# What waits for others to be written with is written with the next that comes after so long.
_WRITE_SECONDS = 10.0


@dataclass(frozen=True)
class StageReport:
    """What a run did. All rows that are not stored, `failures` too, are asked for by the same command, called again.

    `cut` counts the answers that reached their greatest length.
    """

    run: Run
    done: int
    failures: Failures
    cut: int = 0


def run_engine_stage(
    stage: EngineStage,
    options: BatchOptions,
    reporting: Reporting | None = None,
) -> StageReport:
    """Make every row that is left, and return what was done.

    Rows are rendered while others are being answered, and written while more are. Ctrl-C closes the run as stopped and
    goes on up. Raises ScopeTaken while another run does the same, and ServiceError if the system's files have changed
    since it was registered or its engine cannot go on; what was answered is stored and stays.
    """
    reporting = reporting or Reporting()
    _check_unchanged(stage.system)
    check_conditions(stage)
    total = sum(1 for _ in tasks_left(stage, options))
    failures = Failures()
    with recorded_run(
        stage=stage.name, scope=_scope(stage, options), subject=stage.subject, conditions=stage.conditions,
        arguments=_arguments(stage, options), total=total, lease_seconds=options.lease_seconds, named=True,
    ) as execution:  # fmt: skip
        reporting.start(total)
        writer = _Writer(RowStore(stage, execution.run), execution, failures, reporting, options.batch_size)
        try:
            if total or options.on.kind != "here":  # a folder whose rows are all stored may have been left behind
                _work(stage, execution, options, writer, reporting)
        except BaseException:
            writer.flush()  # what has been answered need not be asked again
            raise
        finally:
            execution.remark = failures.summary()
    return StageReport(execution.run, execution.done, failures, writer.cut)


def run_engine_stages(stages: Sequence[EngineStage], options: BatchOptions, reporting: Reporting, *, unit: str) -> None:
    """Run the stages in turn. Raises ServiceError with the reasons of all rows that failed, unless that is allowed."""
    reasons = []
    for stage in stages:
        report = run_engine_stage(stage, options, reporting)
        reporting.say(f"Run {report.run.key}: {report.done} {unit} made, {report.failures.count_in_words()}.")
        if report.cut:
            reporting.say(f"{report.cut} answers were cut off at their greatest length (max_new_tokens).")
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
        shown = list(islice(tasks, _DRY_RUN_PROMPTS))
        for task in shown:
            request = stage.request(task)
            message = f"{request.system_message}\n\n" if request.system_message else ""
            reporting.say(f"--- {task.key}\n{message}{request.rendered}\n")
        total = len(shown) + sum(1 for _ in tasks)
        reporting.say(f"{total} {unit} to make. Nothing was made or stored: this was a dry run.")


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
        left=lambda wanted: Remaining(sum(1 for one in stages(wanted, Reporting()) for _ in tasks_left(one, wanted))),
    )


def _work(
    stage: EngineStage, execution: Execution, options: BatchOptions, writer: "_Writer", reporting: Reporting
) -> None:
    if options.on.kind == "here":
        engine = _engine(stage, execution, reporting)
        execution.usage = lambda: engine.usage() | writer.shortened()
        rows = _Rows(stage, tasks_left(stage, options))
        with closing(engine.stream(rows.requests(), ahead=options.batch_size)) as answers:
            for number, result in answers:
                writer.add(*rows.taken.pop(number), result)
        writer.flush()
        if rows.trouble is not None:
            raise rows.trouble
    else:
        execution.usage = lambda: asdict(writer.usage) | writer.shortened()
        work_elsewhere(stage, options, _scope(stage, options), writer, reporting)


def _engine(stage: EngineStage, execution: Execution, reporting: Reporting) -> Engine:
    # An engine frees its model when it goes. It stays while the next system stands on the same model, which is loaded
    # once then, and goes before another one is loaded, since memory may not hold two.
    if any(model != stage.system.model for model, _ in reporting.engines):
        reporting.engines.clear()
    # Loading a large model takes longer than a lease, so it happens while the run is recorded.
    settings = engine_settings(stage.system, defaults=stage.defaults)
    engine = load_engine(stage.system.engine, settings, stop=stage.defaults.get("stop", NEXT_PROMPT))
    reporting.engines.append((stage.system.model, engine))
    return engine


@dataclass
class _Rows:
    """The rows on their way to an engine, by their number: those that it has taken and not answered.

    A row that cannot be read or rendered ends them as if there were no more, so that the engine still answers what it
    has taken; `trouble` is why.
    """

    stage: EngineStage
    tasks: Iterator[Task]
    taken: dict[int, tuple[Task, GenerationRequest]] = field(default_factory=dict)
    trouble: Exception | None = None

    def requests(self) -> Iterator[GenerationRequest]:
        try:
            for number, task in enumerate(self.tasks):
                request = self.stage.request(task)
                self.taken[number] = task, request
                yield request
        except Exception as error:  # noqa: BLE001 - raised when what is under way has been answered
            self.trouble = error


@dataclass
class _Writer:
    """Gathers what comes and writes it, a batch at a time and every few seconds."""

    store: RowStore
    execution: Execution
    failures: Failures
    reporting: Reporting
    size: int
    usage: TokenUsage = field(default_factory=TokenUsage)
    cut: int = 0  # answers that reached their greatest length
    _answered: list[Answered] = field(default_factory=list)
    _failed: list[tuple[str, GenerationFailure]] = field(default_factory=list)
    _since: float = 0.0  # when the first of what waits has come

    def add(self, task: Task, request: GenerationRequest, result: GenerationResult | GenerationFailure) -> None:
        if not self._answered and not self._failed:
            self._since = time.monotonic()
        if isinstance(result, GenerationFailure):
            logger.warning("run %s: row %s failed: %s", self.execution.run.key, task.key, result.error)
            self._failed.append((task.key, result))
        else:
            self._answered.append(Answered(task, request, result))
            self.cut += result.finish_reason == "length"
            self.failures.note(task.key, result)
        self.usage.add([result])
        waiting = len(self._answered) + len(self._failed)
        if waiting >= self.size or time.monotonic() - self._since > _WRITE_SECONDS:
            self.flush()

    def shortened(self) -> dict[str, int]:
        """Return what the usage says of answers that were cut off, if there are some."""
        return {"answers_cut": self.cut} if self.cut else {}

    def flush(self) -> None:
        """Write what has come, and count it; a signal waits for the end of both."""
        if not self._answered and not self._failed:
            return
        with self.execution.uninterrupted():
            done = self.store.write(self._answered) if self._answered else 0
            came, failed = len(self._answered) + len(self._failed), self._failed
            self._answered, self._failed = [], []
            for key, failure in failed:
                self.failures.add(key, failure)
            self.execution.advance(done, failed=len(failed))
            self.reporting.advance(came)


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
