"""What the steps of a pipeline have in common: what is left to do, and how a step that asks engines does it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from annotation.errors import ServiceError
from modelhub.engines.base import Engine
from modelhub.runs.rows import BatchOptions, EngineStage, run_engine_stage, tasks_left


@dataclass(frozen=True)
class Left:
    """How many rows (models, systems, studies) a step has to make, and how many of its own are there already."""

    left: int
    done: int


@dataclass(frozen=True)
class Desk:
    """Where a step reports: lines, and the rows of a progress bar. `allow_failed`: rows that fail are gone without."""

    say: Callable[[str], object] = lambda line: None
    start: Callable[[int], object] = lambda total: None
    advance: Callable[[int], object] = lambda count: None
    options: BatchOptions = field(default_factory=BatchOptions)
    allow_failed: bool = False


class Step(Protocol):
    """One step. Its work is known by what is stored, so that it goes on where it was stopped."""

    @property
    def name(self) -> str:
        """What it does, in a few words."""

    @property
    def unit(self) -> str:
        """What it makes, in the plural."""

    def left(self) -> Left:
        """Count; raise ServiceError if something it needs is missing."""

    def run(self, desk: Desk) -> None:
        """Do what is left; raise ServiceError where it cannot go on."""


@dataclass(frozen=True)
class EngineStep:
    """Asks systems row by row: the stages, and a count of the rows there are, are made anew each time."""

    name: str
    unit: str
    stages: Callable[[], Sequence[EngineStage]]
    made: Callable[[], int]

    def left(self) -> Left:
        return Left(sum(len(tasks_left(stage, BatchOptions())) for stage in self.stages()), self.made())

    def run(self, desk: Desk) -> None:
        """Run the stages that have rows left; a model stays loaded while the next stage's system stands on it."""
        kept: list[Engine] = []
        before = ""
        for stage in self.stages():
            if not tasks_left(stage, BatchOptions()):
                continue
            if before != stage.system.model:
                kept.clear()  # memory may not hold two models
            before = stage.system.model
            report = run_engine_stage(
                stage, desk.options, on_start=desk.start, on_rows=desk.advance, on_engine=kept.append
            )
            failed = report.failures.count_in_words()
            desk.say(f"Run {report.run.key} ({stage.system.name}): {report.done} {self.unit}, {failed}.")
            if report.failures.total and not desk.allow_failed:
                raise ServiceError(f"{report.run.message}\nTo go on without these rows, give --allow-failed.")
