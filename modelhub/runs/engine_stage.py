"""What a stage is that asks one system row by row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from modelhub.engines.base import GenerationRequest
from modelhub.models import Generation, Run, System
from modelhub.runs.parameters import BatchOptions

_LOOKED_UP = 500  # rows at a time


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
        """Yield every row, stored or not, in a fixed order, without holding all of them."""

    def stored(self, tasks: Sequence[Task]) -> set[str]:
        """Return the keys of those of the rows that are stored."""

    def request(self, task: Task) -> GenerationRequest:
        """Return what the system is asked for this row."""

    def store(self, *, run: Run, made: Sequence[tuple[Task, Generation]]) -> None:
        """Write rows, each with the generation that was just created; called inside a transaction."""


def tasks_left(stage: EngineStage, options: BatchOptions) -> Iterator[Task]:
    """Yield what the stage would do now: the rows of this shard that are not stored, at most `limit`."""
    mine = (task for task in stage.tasks() if options.shard.holds(task.key))
    return islice(_not_stored(stage, mine), options.limit)


def _not_stored(stage: EngineStage, tasks: Iterator[Task]) -> Iterator[Task]:
    while portion := list(islice(tasks, _LOOKED_UP)):
        known = stage.stored(portion)
        yield from (task for task in portion if task.key not in known)
