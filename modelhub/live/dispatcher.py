"""The worker: claim what can be begun, send it, store each answer as it comes; never wait for a batch.

One thread does everything that concerns the database. Engines answer in threads of their own and put what they have
into an inbox, which is the only thing this thread waits for.
"""

import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue

from django.db import DatabaseError, InterfaceError, OperationalError, connection

from annotation.models import ArmTrouble, Output, Study
from annotation.services.foresight import Foresight
from annotation.services.queue import (
    arms_expected,
    arms_waiting,
    arms_wanted,
    output_fail,
    outputs_claim,
    outputs_release,
)
from annotation.services.workers import Trouble, worker_end, worker_heard, worker_start, worker_troubles_set
from modelhub.engines.base import GenerationFailure, GenerationResult
from modelhub.engines.reasons import failure_of
from modelhub.jobs.beginning import Jobs
from modelhub.live.breaker import pause_seconds
from modelhub.live.desk import Desk, Flight, Looked
from modelhub.live.desks import Desks
from modelhub.live.figures import WorkerFigures
from modelhub.live.guard import Guard
from modelhub.live.housekeeping import Housekeeping
from modelhub.live.identity import difference, learned, told_by_answer, told_by_list
from modelhub.live.reporting import troubles_now
from modelhub.live.storing import answer_store, served_learn
from modelhub.live.trials import Trials
from modelhub.prompting.endings import REFUSALS, no_text_reason, whole_answer
from modelhub.runs.recording import Execution
from modelhub.runs.stage import Reporting
from modelhub.systems.requests import output_request
from personaeval.outages import is_outage, waits

logger = logging.getLogger(__name__)

SAY_SECONDS = 4.0  # between two signs of life
EXPECT_SECONDS = 5.0  # between two looks at what may be needed soon
LOOKERS = 8  # threads that load engines and look after servers


@dataclass(frozen=True)
class Limits:
    """What a worker is held to; times in seconds. `once` ends when nothing is left that can be made."""

    once: bool
    poll_seconds: float
    output_seconds: float
    lease_seconds: int


@dataclass
class Dispatcher:
    """A worker: one run, its systems, and its counts."""

    execution: Execution
    limits: Limits
    reporting: Reporting
    study: Study | None = None
    figures: WorkerFigures = field(default_factory=WorkerFigures)
    done: int = 0
    failed: int = 0
    desks: Desks = field(default_factory=Desks)
    guard: Guard = field(init=False)
    trials: Trials = field(init=False)
    jobs: Jobs = field(init=False)
    housekeeping: Housekeeping = field(default_factory=Housekeeping)
    _inbox: "SimpleQueue[Callable[[], None]]" = field(default_factory=SimpleQueue)
    _taken: deque[Callable[[], None]] = field(default_factory=deque)  # stays until it is stored
    _told: tuple[int, int] = (0, 0)
    _foresight: Foresight = field(init=False)
    _expected_at: float = float("-inf")
    _said_at: float = float("-inf")
    _troubles: Sequence[Trouble] = ()
    _waits: Iterator[float] | None = None  # while the database is away

    def __post_init__(self) -> None:
        self._foresight = Foresight(self.study)
        self.guard = Guard(self.key, self.study)
        self.trials = Trials(self.key, self.study, self.limits.output_seconds)
        self.jobs = Jobs(self.study)

    @property
    def key(self) -> str:
        """The holder of this worker's leases."""
        return self.execution.run.key

    def serve(self) -> None:
        """Work until interrupted, or until nothing more can be made with `once`.

        However it ends, short of being killed, what it had claimed and not finished is given back.
        """
        pool = ThreadPoolExecutor(LOOKERS, thread_name_prefix="looking after systems")
        try:
            worker_start(key=self.key, study=self.study, host=socket.gethostname())
            while not self._turn_through_outages(pool):
                pass
        finally:
            self.jobs.close()
            self.desks.close()
            pool.shutdown(wait=False, cancel_futures=True)
            self._leave()

    def reasons(self) -> list[str]:
        """Return why systems cannot answer at the moment."""
        return [f"{desk.system.name}: {desk.breaker.reason}" for desk in self.desks if desk.breaker.is_open]

    def _turn_through_outages(self, pool: ThreadPoolExecutor) -> bool:
        """Take one turn; while PostgreSQL is away, wait for it instead. Return whether the work is over."""
        try:
            over = self._turn(pool)
            if self._waits is not None:
                # A claim whose answer was lost on the way holds outputs that nobody makes.
                outputs_release(holder=self.key, keep=[pk for desk in self.desks for pk in desk.flights])
                self._waits = None
                logger.warning("run %s: the database is back", self.key)
        except (OperationalError, InterfaceError) as error:
            if not is_outage(error):
                raise
            connection.close()
            self._waits = self._waits or waits()
            wait = next(self._waits)
            logger.warning("run %s: no database (%s); the next try in %.1f s", self.key, type(error).__name__, wait)
            time.sleep(wait)
            return False
        return over

    def _turn(self, pool: ThreadPoolExecutor) -> bool:
        self._receive()
        while self._taken:
            self._taken[0]()
            self._taken.popleft()
        for desk in list(self.desks):
            for flight, failure in desk.overdue(self.limits.output_seconds):
                self._failed(desk, flight, failure)
        self._expect()
        self.guard.turn()
        self.trials.turn(self.desks)
        self._claim()
        for desk in self.desks:
            desk.look_after(pool, lambda looked, desk=desk: self._inbox.put(partial(self._looked, desk, looked)))  # type: ignore[misc]
        self._say()
        self.housekeeping.turn()
        if not self.limits.once:  # a worker that ends with the queue of outputs would leave a job half-way
            self.jobs.turn()
        return self.limits.once and self._is_over()

    def _receive(self) -> None:
        """Wait for something to do, a moment at most, and take all that is there."""
        try:
            self._taken.append(self._inbox.get(timeout=self.limits.poll_seconds))
            while True:
                self._taken.append(self._inbox.get_nowait())
        except Empty:
            return

    def _expect(self) -> None:
        """Get ready for what may be asked at any moment, so that nobody waits for it, or finds out what is wrong."""
        now = time.monotonic()
        if not self.limits.once and now - self._expected_at >= EXPECT_SECONDS:
            self._expected_at = now
            self.desks.behind(arms_expected(self.study))
            self._foresight.look()

    def _claim(self) -> None:
        wanted = arms_wanted(self.study)
        if not wanted:
            return
        desks, problems = self.desks.behind(wanted)
        if problems:
            self._refuse(problems)
        for desk in desks:
            if room := desk.room:
                for output in self._claimed(room, desk.arms & set(wanted)):
                    self._begin(desk, output)

    def _claimed(self, limit: int, arms: set[int]) -> list[Output]:
        lease = self.limits.lease_seconds
        return outputs_claim(holder=self.key, limit=limit, lease_seconds=lease, arms=arms, study=self.study)

    def _refuse(self, problems: dict[int, str]) -> None:
        for output in self._claimed(len(problems), set(problems)):
            self._count_failure(output, problems[output.arm_id], final=True)

    def _begin(self, desk: Desk, output: Output) -> None:
        try:
            request = output_request(desk.system, output)
        except Exception as error:  # noqa: BLE001 - an attempt of this output, and of no other
            self._count_failure(output, failure_of(error).error, pause=pause_seconds(output.attempts))
            return
        deliver = partial(self._deliver, desk, output.pk)
        desk.start(output, request, deliver)

    def _deliver(self, desk: Desk, output_id: int, result: GenerationResult | GenerationFailure) -> None:
        """Put a result into the inbox; called in the engines' threads."""
        self._inbox.put(partial(self._answered, desk, output_id, result))

    def _answered(self, desk: Desk, output_id: int, result: GenerationResult | GenerationFailure) -> None:
        flight = desk.flights.get(output_id)
        if flight is None:
            return  # given up before
        if isinstance(result, GenerationFailure):
            self._failed(desk, flight, result)
            return
        text = whole_answer(flight.output.persona.item.answer_start, result.text)
        told = told_by_answer(result.served)
        if not text:
            # A result, as where stages store one: the same request is not sent again for a text that it did not get.
            failure = GenerationFailure(no_text_reason(result.finish_reason), final=True)
            self._failed(desk, flight, failure, is_suspicious=result.finish_reason not in REFUSALS)
        elif other := difference(desk.system.served, told):
            desk.breaker.opened(ArmTrouble.Kind.OTHER_MODEL, other, now=time.monotonic())
            self._failed(desk, flight, GenerationFailure(other, down=True))
        else:
            self._learn(desk, told)
            if answer_store(self.execution.run, desk, flight, text=text, result=result):
                self.done += 1
                self.figures.stored(flight.output, seconds=time.monotonic() - flight.started)
                self.reporting.advance(1)
            desk.answered(flight)
            desk.flights.pop(output_id)

    def _failed(self, desk: Desk, flight: Flight, failure: GenerationFailure, *, is_suspicious: bool = False) -> None:
        output = flight.output
        counts = desk.breaker.failed(output.pk, failure, now=time.monotonic(), is_suspicious=is_suspicious)
        self._count_failure(
            output, failure.error, final=failure.final and counts, counts=counts, pause=pause_seconds(output.attempts)
        )
        desk.flights.pop(output.pk, None)

    def _count_failure(
        self, output: Output, error: str, *, final: bool = False, counts: bool = True, pause: float = 0.0
    ) -> None:
        if output_fail(
            output_id=output.pk, holder=self.key, error=error, final=final, counts=counts, pause_seconds=pause
        ):
            self.failed += counts
            self.figures.failed(counts=counts)
            logger.warning("run %s: output %s failed: %s", self.key, output.key, error)

    def _looked(self, desk: Desk, looked: Looked) -> None:
        told = told_by_list(looked.told)
        if looked.engine is not None and not looked.problem and not difference(desk.system.served, told):
            self._learn(desk, told)
        desk.take(looked)

    def _learn(self, desk: Desk, told: dict[str, str]) -> None:
        if learned(desk.system.served, told) != desk.system.served:
            served_learn(system=desk.system, told=told)

    def _say(self) -> None:
        """Say that the worker lives, what it has made, and what keeps it from answering."""
        self.figures.look(list(self.desks))
        now, troubles = time.monotonic(), self._present_troubles()
        if troubles != self._troubles:
            worker_troubles_set(key=self.key, troubles=troubles)
            self._troubles = troubles
        if now - self._said_at >= SAY_SECONDS or self.limits.once:
            self._flush()
        if now - self._said_at >= SAY_SECONDS:
            worker_heard(key=self.key)
            self._said_at = now

    def _flush(self) -> None:
        done, failed = self.done - self._told[0], self.failed - self._told[1]
        if done or failed:
            self.execution.advance(done, failed=failed)
            self._told = (self.done, self.failed)
            logger.info("run %s: %d outputs made, %d attempts failed", self.key, done, failed)

    def _present_troubles(self) -> list[Trouble]:
        return [trouble for desk in self.desks for trouble in troubles_now(desk)]

    def _is_over(self) -> bool:
        """Whether nothing is under way and nothing is left that could be."""
        if not (self.guard.is_over() and self.trials.is_over()):  # the guard's verdicts let more be made
            return False
        if any(desk.flights or desk.is_loading for desk in self.desks):
            return False
        hopeless = {arm for desk in self.desks if desk.breaker.is_given_up for arm in desk.arms}
        return not set(arms_waiting(self.study)) - hopeless

    def _leave(self) -> None:
        try:
            self.guard.close()
            self.trials.close()
            outputs_release(holder=self.key)
            self._flush()
            worker_end(key=self.key)
        except DatabaseError as error:
            # Its leases end by themselves; whatever ended the work is what has to be told.
            logger.warning("run %s could not give back what it held: %s", self.key, error)
