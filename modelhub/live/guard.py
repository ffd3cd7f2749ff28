"""Ask a study's guard model about the personas that were submitted. A worker's loop calls `turn` again and again."""

import logging
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from annotation.errors import ServiceError
from annotation.models import GuardCheck, Study
from annotation.services.guards import (
    MAX_GUARD_ATTEMPTS,
    guard_claim,
    guard_fail,
    guard_release,
    guard_store,
    guards_pending,
)
from modelhub.engines import load_live_engine
from modelhub.engines.base import (
    Cancel,
    EngineSettings,
    GenerationFailure,
    GenerationRequest,
    GenerationResult,
    LiveEngine,
)
from modelhub.engines.reasons import failure_of
from modelhub.models import GuardBinding, System
from modelhub.prompting.endings import REFUSALS
from modelhub.prompting.guarding import parse_guard, render_guard
from modelhub.systems.registering import engine_settings, present_fingerprint

logger = logging.getLogger(__name__)

DECODING = {"max_new_tokens": 64, "min_new_tokens": 1, "temperature": 0.0, "stop": []}
AT_ONCE = 4  # personas asked about at a time, by one worker
ANSWER_SECONDS = 20.0  # an attempt that takes longer is given up
LONGEST_SAID = 300  # characters that are kept of an answer without a verdict
LEASE_SECONDS = 30  # longer than an attempt, so that nothing has to be renewed

_Key = tuple[int, str]
_Answer = GenerationResult | GenerationFailure


@dataclass
class _Question:
    check: GuardCheck
    deadline: float
    cancel: Cancel | None = None


@dataclass
class Guard:
    """What one worker asks guards: the checks under way, and the engines it has loaded. `holder` has the leases."""

    holder: str
    study: Study | None = None
    _asked: dict[int, _Question] = field(default_factory=dict)
    _engines: dict[_Key, LiveEngine] = field(default_factory=dict)
    _loading: threading.Lock = field(default_factory=threading.Lock)
    _inbox: "SimpleQueue[tuple[int, _Answer]]" = field(default_factory=SimpleQueue)
    _taken: deque[tuple[int, _Answer]] = field(default_factory=deque)  # stays until it is stored
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE, "asking a guard"))

    def turn(self) -> None:
        """Store what was answered, give up what takes too long, ask about what waits; never wait for an answer."""
        self._receive()
        while self._taken:
            self._answered(*self._taken[0])
            self._taken.popleft()
        for asked in [one for one in self._asked.values() if time.monotonic() >= one.deadline]:
            self._failed(asked.check, f"The guard did not answer within {ANSWER_SECONDS:g} s.")
        if room := AT_ONCE - len(self._asked):
            claimed = guard_claim(holder=self.holder, limit=room, lease_seconds=LEASE_SECONDS, study=self.study)
            for check in claimed:
                self._begin(check)

    def is_over(self) -> bool:
        """Whether nothing is under way and nothing is left to be asked about, now or after a pause."""
        return not self._asked and not guards_pending(self.study)

    def close(self) -> None:
        """Give up what is under way, and give its checks back."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for engine in self._engines.values():
            engine.close()
        guard_release(holder=self.holder)

    def _receive(self) -> None:
        try:
            while True:
                self._taken.append(self._inbox.get_nowait())
        except Empty:
            return

    def _begin(self, check: GuardCheck) -> None:
        if check.attempts > MAX_GUARD_ATTEMPTS:
            self._failed(check, f"The worker was lost {MAX_GUARD_ATTEMPTS} times while asking.", final=True)
            return
        try:
            system = _guard_of(check)
            settings = engine_settings(system, defaults=DECODING)
            text = check.persona.text
            request = GenerationRequest(rendered=render_guard(text), prompt=text, persona="")
        except (ServiceError, ValueError) as error:
            self._failed(check, str(error), final=True)
            return
        self._asked[check.pk] = _Question(check, time.monotonic() + ANSWER_SECONDS)
        self._pool.submit(self._ask, check.pk, system, settings, request)

    def _ask(self, check_id: int, system: System, settings: EngineSettings, request: GenerationRequest) -> None:
        """Load the engine if need be and begin the answer; in a thread of the pool, which never sees the database."""
        try:
            engine = self._engine(system, settings)
            cancel = engine.start(request, lambda answer: self._inbox.put((check_id, answer)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told as the reason and ends nothing else
            self._inbox.put((check_id, failure_of(error, request)))
            return
        if asked := self._asked.get(check_id):
            asked.cancel = cancel

    def _engine(self, system: System, settings: EngineSettings) -> LiveEngine:
        key = (system.pk, system.fingerprint)
        with self._loading:
            if key not in self._engines:
                self._engines[key] = load_live_engine(system.engine, settings, stop=())
            return self._engines[key]

    def _answered(self, check_id: int, answer: _Answer) -> None:
        asked = self._asked.get(check_id)
        if asked is None:
            return  # given up before
        if isinstance(answer, GenerationFailure):
            self._failed(asked.check, answer.error, final=answer.final)
        elif (categories := parse_guard(answer.text)) is None:
            refusal = "" if answer.text.strip() else REFUSALS.get(answer.finish_reason, "")
            said = "" if refusal else answer.text
            self._failed(asked.check, refusal or "The guard's answer is no verdict.", final=bool(refusal), said=said)
        else:
            guard_store(check=asked.check, holder=self.holder, categories=categories)
        self._asked.pop(check_id, None)

    def _failed(self, check: GuardCheck, error: str, *, said: str = "", final: bool = False) -> None:
        """Keep why there is no verdict, with what the guard said; the log has the reason alone: answers quote texts."""
        kept = f"{error} It said: {_beginning(said)}" if said else error
        if guard_fail(check=check, holder=self.holder, error=kept, final=final):
            logger.warning("worker %s: no verdict on persona %s: %s", self.holder, check.persona.key, error)
        asked = self._asked.pop(check.pk, None)
        if asked is not None and asked.cancel is not None:
            asked.cancel()


def _beginning(said: str) -> str:
    """Return an answer, or its beginning with how long it is."""
    return said if len(said) <= LONGEST_SAID else f"{said[:LONGEST_SAID]} … ({len(said)} characters)"


def _guard_of(check: GuardCheck) -> System:
    """Return the system to be asked; raise ServiceError if there is none that could be."""
    study = check.persona.item.study
    binding = GuardBinding.objects.filter(study=study).select_related("system").first()
    if binding is None:
        raise ServiceError(f"{study} has no guard; see bind_guard.")
    if present_fingerprint(binding.system) != binding.system.fingerprint:
        raise ServiceError("The files or settings behind the guard have changed since it was registered.")
    return binding.system
