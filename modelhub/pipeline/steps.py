"""What a step of the pipeline is: what is left to do, and how it is done; as a rule a stage with its parameters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from annotation.errors import ServiceError
from modelhub.runs.parameters import Parameters
from modelhub.runs.stage import Remaining, Reporting, Stage


class PipelineStep(Protocol):
    """One step. Its work is known by what is stored, so that it goes on where it was stopped."""

    @property
    def name(self) -> str:
        """What it does, in a few words."""

    @property
    def unit(self) -> str:
        """What it makes, in the plural."""

    def remaining(self) -> Remaining:
        """Count; raise ServiceError if something it needs is missing."""

    def run(self, reporting: Reporting) -> None:
        """Do what is left; raise ServiceError where it cannot go on."""


@dataclass(frozen=True)
class StageStep:
    """A stage, once for each of its parameters, and how many rows it has made.

    `counted` is what the step makes, if not the unit of the stage. The parameters are those of the file: they can be
    had, and are checked, before anything is done.
    """

    name: str
    stage: Stage[Any]
    parameters: Callable[[], Sequence[Parameters]]
    made: Callable[[], int] | None = None
    counted: str = ""

    @property
    def unit(self) -> str:
        return self.counted or self.stage.unit

    def remaining(self) -> Remaining:
        counts = [self._left(wanted) for wanted in self.parameters()]
        done = self.made() if self.made else sum(count.done for count in counts)
        return Remaining(sum(count.left for count in counts), done)

    def run(self, reporting: Reporting) -> None:
        every = self.parameters()
        try:
            for wanted in every:
                # A step that has something left, and one set of parameters, need not count again.
                if len(every) == 1 or self._left(wanted).left:
                    self.stage.run(wanted, reporting)
        finally:
            reporting.engines.clear()  # the next step may need the memory

    def _left(self, wanted: Parameters) -> Remaining:
        if self.stage.left is None:
            raise ServiceError(f"{self.stage.name} cannot say what is left of it, so it is no step.")
        return self.stage.left(wanted)
