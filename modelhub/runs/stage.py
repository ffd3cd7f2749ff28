"""What a stage of the pipeline is: declared once, in one file; its command, its docs and its step derive from that."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from modelhub.engines.base import Engine
from modelhub.runs.parameters import Parameters
from modelhub.runs.recording import GOES_ON

P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True)
class Remaining:
    """How many rows (models, systems, studies) there are to make, and how many are there already."""

    left: int
    done: int = 0


@dataclass(frozen=True)
class Reporting:
    """Where work reports: lines, and the rows of a progress bar. `allow_failed`: rows that fail are gone without.

    `engines` are those that stay loaded, by the model they stand on, for the next stage that stands on it.
    """

    say: Callable[[str], object] = lambda line: None
    start: Callable[[int], object] = lambda total: None
    advance: Callable[[int], object] = lambda count: None
    allow_failed: bool = False
    engines: list[tuple[str, Engine]] = field(default_factory=list)


@dataclass(frozen=True)
class Stage(Generic[P]):
    """One stage. `unit` is what it makes, in the plural; `leaves` says what is there when it is stopped on its way.

    `run` does what is left and says what came of it; `left` counts that, for a plan; `dry_run` shows it. All raise
    ServiceError for what cannot be.
    """

    name: str
    summary: str
    unit: str
    parameters: type[P]
    run: Callable[[P, Reporting], object]
    leaves: str = GOES_ON
    left: Callable[[P], Remaining] | None = None
    dry_run: Callable[[P, Reporting], object] | None = None
