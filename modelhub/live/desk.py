"""One system as the dispatcher sees it: its engine, what is under way there, and whether it may be asked."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from annotation.models import ArmTrouble, Output
from modelhub.engines import load_live_engine
from modelhub.engines.base import (
    Cancel,
    Deliver,
    GenerationFailure,
    GenerationRequest,
    LiveEngine,
)
from modelhub.engines.reasons import failure_of
from modelhub.engines.stepwise import begun
from modelhub.live.breaker import Breaker
from modelhub.live.identity import difference, told_by_list
from modelhub.models import System
from modelhub.systems.registering import engine_settings

# A request of this age makes the dispatcher ask whether its server is there at all; an idle server is asked seldom.
SUSPECT_SECONDS = 5.0
IDLE_SECONDS = 30.0
# Without any answer, while requests are under way, a system has stalled: so long, or twice its slowest answer lately.
STALL_SECONDS = 15.0
LATELY = 20  # answers
# In a row: a server that is busy may miss one.
MISSED = 2
# Reloaded when it has been down so often: nobody else can start an engine of this process again.
DOWN_BEFORE_RELOAD = 2


@dataclass(frozen=True)
class Looked:
    """What came of looking after a system: an engine, and what its server says of itself or why it says nothing."""

    engine: LiveEngine | None
    told: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


@dataclass(eq=False)
class Flight:
    """One request under way. `cancel` is known as soon as the engine has taken it."""

    output: Output
    request: GenerationRequest
    started: float
    cancel: Cancel = lambda: None


class Desk:
    """What the dispatcher keeps of a system. Used in one thread; looking after it happens in others."""

    def __init__(self, system: System, fingerprint: str) -> None:
        self.system = system
        self.fingerprint = fingerprint
        self.breaker = Breaker()
        self.flights: dict[int, Flight] = {}
        self.arms: set[int] = set()
        self._engine: LiveEngine | None = None
        self._looking = False
        self._looked_at = float("-inf")
        self._missed = 0
        self._took: deque[float] = deque(maxlen=LATELY)  # seconds of the latest answers
        self._answered_at = float("-inf")

    @property
    def engine(self) -> LiveEngine | None:
        """What answers, None while it is not loaded."""
        return self._engine

    @property
    def room(self) -> int:
        """How many more requests may be begun."""
        return self.breaker.room(self._engine.slots, under_way=len(self.flights)) if self._engine else 0

    @property
    def is_loading(self) -> bool:
        """Whether nothing can be asked yet, and nothing has gone wrong."""
        return self._engine is None and not self.breaker.is_open

    def answered(self, flight: Flight) -> None:
        """Take note of an answer: the system works, and takes so long."""
        now = time.monotonic()
        self._took.append(now - flight.started)
        self._answered_at = now
        self.breaker.succeeded()

    def stalled_since(self) -> float | None:
        """Return when the last sign of an answer was, if that is longer ago than is usual; None if all is well.

        What is under way may still be answered, and what is asked for is still sent: it is only told.
        """
        if not self.flights:
            return None
        since = max(min(flight.started for flight in self.flights.values()), self._answered_at)
        limit = max(STALL_SECONDS, 2 * max(self._took, default=0.0))
        return since if time.monotonic() - since > limit else None

    def start(self, output: Output, request: GenerationRequest, deliver: Deliver) -> None:
        """Send a request; whatever the engine raises is delivered as its failure."""
        assert self._engine is not None
        flight = self.flights[output.pk] = Flight(output, request, time.monotonic())
        flight.cancel = begun(self._engine, request, deliver)

    def look_after(self, pool: ThreadPoolExecutor, tell: Callable[[Looked], object]) -> None:
        """Load the engine, or ask its server what it serves, where that is due; `tell` is called in another thread."""
        now = time.monotonic()
        if self._looking or not self._is_due(now):
            return
        if self._engine is not None and self._is_dead():
            self._engine.close()
            self._engine = None
        self._looking, self._looked_at = True, now
        engine = self._engine
        pool.submit(lambda: tell(_look(self.system, engine)))

    def take(self, looked: Looked) -> None:
        """Draw conclusions from what was seen; `system.served` has been learned before."""
        self._looking = False
        now = time.monotonic()
        loading = self._engine is None
        self._engine = looked.engine
        if looked.engine is None:
            self.breaker.opened(ArmTrouble.Kind.LOADING, looked.problem, now=now)
        elif looked.problem:
            self._missed += 1
            if loading or self.breaker.is_open or self._missed >= MISSED:
                self.breaker.opened(ArmTrouble.Kind.DOWN, looked.problem, now=now)
        elif other := difference(self.system.served, told_by_list(looked.told)):
            self.breaker.opened(ArmTrouble.Kind.OTHER_MODEL, other, now=now)
        else:
            self._missed = 0
            self.breaker.trying = self.breaker.is_open

    def overdue(self, seconds: float) -> list[tuple[Flight, GenerationFailure]]:
        """Give up the requests that have had no answer for so long, and return them with their failure."""
        now = time.monotonic()
        late = [flight for flight in self.flights.values() if now - flight.started > seconds]
        for flight in late:
            flight.cancel()
        return [(flight, GenerationFailure(f"No answer within {seconds:g} s.")) for flight in late]

    def close(self) -> None:
        """Give up what is under way, and the engine."""
        for flight in self.flights.values():
            flight.cancel()
        if self._engine is not None:
            self._engine.close()

    def _is_due(self, now: float) -> bool:
        if self._engine is None:
            return not self.breaker.is_open or self.breaker.is_due(now)
        if self.breaker.is_open:
            return self.breaker.is_due(now)
        oldest = min((flight.started for flight in self.flights.values()), default=now)
        often = self._missed or now - oldest > SUSPECT_SECONDS
        return now - self._looked_at > (SUSPECT_SECONDS if often else IDLE_SECONDS)

    def _is_dead(self) -> bool:
        is_down = self.breaker.kind == ArmTrouble.Kind.DOWN and self.breaker.openings >= DOWN_BEFORE_RELOAD
        return is_down and not self.system.endpoint and not self.flights


def _look(system: System, engine: LiveEngine | None) -> Looked:
    try:
        loaded = engine or load_live_engine(system.engine, engine_settings(system))
    except Exception as error:  # noqa: BLE001 - what cannot be loaded here is a trouble of this system alone
        return Looked(None, problem=failure_of(error).error)
    try:
        return Looked(loaded, told=loaded.served())
    except Exception as error:  # noqa: BLE001 - as above; nobody would look again at a system that is being looked at
        return Looked(loaded, problem=failure_of(error).error)
