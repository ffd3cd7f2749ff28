"""Answer the prompts that somebody tries on a study's systems, with the engines that a worker has anyway."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from annotation.errors import ServiceError
from annotation.models import Study
from modelhub.engines.base import Cancel, GenerationFailure, GenerationResult, LiveEngine
from modelhub.engines.stepwise import begun
from modelhub.live.desk import Desk
from modelhub.live.desks import Desks
from modelhub.models import Trial
from modelhub.prompting.endings import no_text_reason
from modelhub.systems.requests import generation_request
from modelhub.systems.trials import trial_end, trials_claim, trials_pending, trials_release

AT_ONCE = 4
LEASE_SECONDS = 600  # models load for minutes; a worker that ends gives back what it holds

_Answer = GenerationResult | GenerationFailure


@dataclass
class _Trying:
    trial: Trial
    desk: Desk
    since: float
    cancel: Cancel | None = None  # None while its engine is being loaded


@dataclass
class Trials:
    """The trials of one worker. `holder` has the leases; used in the dispatcher's thread."""

    holder: str
    study: Study | None
    seconds: float  # after which an answer is given up
    _asked: dict[int, _Trying] = field(default_factory=dict)
    _inbox: "SimpleQueue[tuple[int, _Answer]]" = field(default_factory=SimpleQueue)
    _taken: deque[tuple[int, _Answer]] = field(default_factory=deque)  # stays until it is stored

    def turn(self, desks: Desks) -> None:
        """Store what was answered, give up what takes too long, and ask what waits; never wait for an answer."""
        self._receive()
        while self._taken:
            self._answered(*self._taken[0])
            self._taken.popleft()
        for asked in list(self._asked.values()):
            self._go_on(asked)
        if room := AT_ONCE - len(self._asked):
            for trial in trials_claim(holder=self.holder, limit=room, lease_seconds=LEASE_SECONDS, study=self.study):
                self._begin(trial, desks)

    def is_over(self) -> bool:
        """Whether nothing is under way and nothing waits."""
        return not self._asked and not trials_pending(self.study)

    def close(self) -> None:
        """Give back what is under way."""
        for asked in self._asked.values():
            if asked.cancel is not None:
                asked.cancel()
        trials_release(holder=self.holder)

    def _receive(self) -> None:
        try:
            while True:
                self._taken.append(self._inbox.get_nowait())
        except Empty:
            return

    def _begin(self, trial: Trial, desks: Desks) -> None:
        desk, problem = desks.of(trial.system)
        if desk is None:
            self._end(trial, error=problem)
        else:
            self._asked[trial.pk] = _Trying(trial, desk, time.monotonic())

    def _go_on(self, asked: _Trying) -> None:
        """Send a request as soon as its engine is there; give it up where that fails or takes too long."""
        if asked.cancel is not None:
            if time.monotonic() - asked.since >= self.seconds:
                asked.cancel()
                self._end(asked.trial, error=f"There was no answer within {self.seconds:g} s.")
        elif asked.desk.breaker.is_open:
            self._end(asked.trial, error=asked.desk.breaker.reason)
        elif (engine := asked.desk.engine) is not None:
            self._ask(asked, engine)

    def _ask(self, asked: _Trying, engine: LiveEngine) -> None:
        trial = asked.trial
        try:
            request = generation_request(trial.system, prompt=trial.prompt, persona=trial.persona)
        except ServiceError as error:
            self._end(trial, error=str(error))
            return
        asked.since = time.monotonic()
        asked.cancel = begun(engine, request, self._deliver(trial.pk))

    def _deliver(self, trial_id: int) -> Callable[[_Answer], None]:
        """Return what an engine's thread calls with an answer."""
        return lambda answer: self._inbox.put((trial_id, answer))

    def _answered(self, trial_id: int, answer: _Answer) -> None:
        asked = self._asked.get(trial_id)
        if asked is None:
            return  # given up before
        if isinstance(answer, GenerationFailure):
            self._end(asked.trial, error=answer.error)
        else:
            error = "" if answer.text else no_text_reason(answer.finish_reason)
            self._end(asked.trial, text=answer.text, error=error, seconds=time.monotonic() - asked.since)

    def _end(self, trial: Trial, *, text: str = "", error: str = "", seconds: float | None = None) -> None:
        trial_end(trial=trial, holder=self.holder, text=text, error=error, seconds=seconds)
        self._asked.pop(trial.pk, None)
