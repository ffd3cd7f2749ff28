"""An engine that answers requests with a plan step by step: each answer goes into the next request, to the same model.

Whoever asks sees one request and one answer, whatever stands behind: batches, streams, servers and workers stay what
they are. Requests without a plan pass through.
"""

import threading
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from modelhub.engines.base import (
    Answer,
    Cancel,
    Deliver,
    Engine,
    GenerationFailure,
    GenerationRequest,
    GenerationResult,
    LiveEngine,
)
from modelhub.engines.reasons import failure_of
from modelhub.prompting.endings import REFUSALS, no_text_reason
from modelhub.prompting.layouts import system_message
from modelhub.prompting.procedures import StepPlan, is_about_the_person, read_step, render_step, steps_of

_Outcome = GenerationResult | GenerationFailure


@dataclass
class Chain:
    """A request on its way: what it is asked for now, and what has come so far."""

    request: GenerationRequest
    due: GenerationRequest = field(init=False)
    _made: dict[str, str] = field(default_factory=dict)  # by step, as later ones show it
    _results: list[GenerationResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.due = self.request

    def take(self, outcome: _Outcome) -> _Outcome | None:
        """Take the answer to what is due; return what came of the whole, or None where another step is due."""
        plan = self.request.plan
        if plan is None:
            return outcome
        steps = steps_of(plan.procedure)
        step = steps[len(self._results)]
        if isinstance(outcome, GenerationFailure):
            return _failed(plan, step, outcome)
        self._results.append(outcome)
        if step == steps[-1]:
            return self._whole(steps)
        said = read_step(plan, step, outcome.text)
        if not said:
            return _failed(plan, step, _nothing_said(outcome))
        self._made[step] = said
        self.due = step_request(self.request, plan, self._made)
        return None

    def _whole(self, steps: tuple[str, ...]) -> GenerationResult:
        *before, last = self._results
        return replace(
            last,
            prompt_tokens=_sum([one.prompt_tokens for one in self._results]),
            completion_tokens=_sum([one.completion_tokens for one in self._results]),
            seconds=sum(one.seconds for one in self._results),
            asked=self.due,
            steps=tuple(_kept(step, one) for step, one in zip(steps, before, strict=False)),
        )


def step_request(request: GenerationRequest, plan: StepPlan, made: Mapping[str, str]) -> GenerationRequest:
    """Return the request of the step that follows on what was `made`, for what `request` asks."""
    step = steps_of(plan.procedure)[len(made)]
    message = "" if is_about_the_person(step) else system_message(persona=plan.persona, style=plan.style)
    return replace(request, rendered=render_step(plan, made), system_message=message, shared=0, plan=plan)


def begun(engine: LiveEngine, request: GenerationRequest, deliver: Deliver) -> Cancel:
    """Send a request, and return what cancels it; whatever the engine raises is delivered as its failure."""
    try:
        return engine.start(request, deliver)
    except Exception as error:  # noqa: BLE001 - an attempt of this request, and of no other
        deliver(failure_of(error, request))
        return lambda: None


@dataclass(frozen=True)
class StepwiseEngine:
    """An engine as stages see it."""

    engine: Engine

    def stream(self, requests: Iterator[GenerationRequest], *, ahead: int) -> Generator[Answer]:
        """Yield the answers. Further steps go before new requests, so that no more than `ahead` are begun at a time."""
        work = _Work(requests)
        while True:
            work.begin()
            with closing(self.engine.stream(work, ahead=ahead)) as answers:
                for number, outcome in answers:
                    yield from work.came(number, outcome)
            if not work.waiting:  # an engine may end when nothing more was there to be asked for a moment
                return

    def usage(self) -> dict[str, Any]:
        """Return what was used, by all steps."""
        return self.engine.usage()


@dataclass
class _Work(Iterator[GenerationRequest]):
    """What an inner stream is given: the next steps of what has been begun, and new requests after them."""

    requests: Iterator[GenerationRequest]
    waiting: deque[tuple[int, Chain]] = field(default_factory=deque)
    _taken: dict[int, tuple[int, Chain]] = field(default_factory=dict)  # by their number in this inner stream
    _places: int = 0
    _count: int = 0

    def begin(self) -> None:
        """Begin another inner stream, which counts anew."""
        self._taken.clear()
        self._places = 0

    def __next__(self) -> GenerationRequest:
        if self.waiting:
            number, chain = self.waiting.popleft()
        else:
            number, chain = self._count, Chain(next(self.requests))
            self._count += 1
        self._taken[self._places] = number, chain
        self._places += 1
        return chain.due

    def came(self, place: int, outcome: _Outcome) -> Iterator[Answer]:
        """Take the answer to what this stream was given at a place."""
        number, chain = self._taken.pop(place)
        whole = chain.take(outcome)
        if whole is None:
            self.waiting.append((number, chain))
        else:
            yield number, whole


class StepwiseLiveEngine:
    """An engine as workers see it. A request has one place among the engine's slots, whatever its step."""

    def __init__(self, engine: LiveEngine) -> None:
        self._engine = engine
        self.slots = engine.slots

    def start(self, request: GenerationRequest, deliver: Deliver) -> Cancel:
        """Begin an answer; its further steps begin in the engine's threads."""
        if request.plan is None:
            return self._engine.start(request, deliver)
        way = _OnItsWay(self._engine, Chain(request), deliver)
        way.send()
        return way.give_up

    def served(self) -> Mapping[str, Any]:
        """Return what stands behind the engine."""
        return self._engine.served()

    def close(self) -> None:
        """Give up what is under way."""
        self._engine.close()


class _OnItsWay:
    """A request that a live engine answers step by step, and that may be given up at any time."""

    def __init__(self, engine: LiveEngine, chain: Chain, deliver: Deliver) -> None:
        self._engine = engine
        self._chain = chain
        self._deliver = deliver
        self._lock = threading.Lock()  # of what follows
        self._sent = 0
        self._cancel: Cancel = lambda: None
        self._given_up = False

    def send(self) -> None:
        """Ask for what is due."""
        with self._lock:
            self._sent += 1
            mine = self._sent
        cancel = begun(self._engine, self._chain.due, self._came)
        with self._lock:
            if mine == self._sent:  # otherwise the answer has come meanwhile, and the next step was sent
                self._cancel = cancel
            given_up = self._given_up
        if given_up:
            cancel()

    def give_up(self) -> None:
        """Cancel the step that is under way; no other follows."""
        with self._lock:
            self._given_up, cancel = True, self._cancel
        cancel()

    def _came(self, outcome: _Outcome) -> None:
        with self._lock:
            if self._given_up:
                return
        whole = self._chain.take(outcome)
        if whole is None:
            self.send()
        else:
            self._deliver(whole)


def _failed(plan: StepPlan, step: str, failure: GenerationFailure) -> GenerationFailure:
    where = f"{plan.procedure}, at the {step}: "
    return replace(failure, error=where + failure.error, kind=where + failure.kind if failure.kind else "")


def _nothing_said(result: GenerationResult) -> GenerationFailure:
    """Return the failure of a step without which the others would be a plain answer."""
    refused = not result.text.strip() and result.finish_reason in REFUSALS
    reason = "The model's answer says nothing." if result.text.strip() else no_text_reason(result.finish_reason)
    if result.finish_reason == "length":
        reason += " It was cut off at its greatest length (max_new_tokens)."
    return GenerationFailure(reason, final=refused)


def _kept(step: str, result: GenerationResult) -> dict[str, Any]:
    return {
        "step": step,
        "text": result.text,
        "finish_reason": result.finish_reason,
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": result.completion_tokens,
        "seconds": result.seconds,
    }


def _sum(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
