"""Make the outputs that participants are waiting for. Requested outputs are the queue; see services/outputs.py."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from django.db import transaction

from annotation.errors import ServiceError
from annotation.models import Output, Study
from annotation.services.outputs import output_fail, output_fill, outputs_claim, outputs_release
from modelhub.engines import IMPORTED, engine_module
from modelhub.engines.base import (
    Engine,
    EngineError,
    FinishReason,
    GenerationFailure,
    GenerationRequest,
    GenerationResult,
)
from modelhub.engines.decoding import plain_text
from modelhub.models import ArmBinding, Generation, Run, System
from modelhub.prompting.layouts import strip_end_of_text, whole_answer
from modelhub.runs.heartbeat import Heartbeat
from modelhub.runs.lifecycle import run_heartbeat
from modelhub.systems.registering import engine_settings, present_fingerprint
from modelhub.systems.requests import generation_request

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServeOptions:
    """`once` ends when nothing is left to claim; times are in seconds."""

    batch_size: int
    poll_seconds: float
    lease_seconds: int
    once: bool
    study: Study | None = None


@dataclass
class Server:
    """A worker: one run, the engines it has loaded so far, and its counts."""

    run: Run
    options: ServeOptions
    on_output: Callable[[], object] = lambda: None
    engines: dict[tuple[int, str], Engine] = field(default_factory=dict)
    done: int = 0
    failed: int = 0
    next_beat: float = 0.0

    def serve(self) -> None:
        """Claim, generate and fill until interrupted, or until the queue is empty with `once`.

        However it ends, short of being killed, what it had claimed and not finished is given back.
        """
        try:
            while True:
                claimed = outputs_claim(
                    holder=self.run.key, limit=self.options.batch_size, lease_seconds=self.options.lease_seconds,
                    study=self.options.study,
                )  # fmt: skip
                if claimed:
                    self._batch(claimed)
                elif self.options.once:
                    return
                else:
                    self._idle()
        finally:
            outputs_release(holder=self.run.key)

    def _idle(self) -> None:
        # Beats seldom, so that a waiting worker does not take SQLite's write lock at every poll.
        if time.monotonic() >= self.next_beat:
            run_heartbeat(run=self.run, lease_seconds=self.options.lease_seconds)
            self.next_beat = time.monotonic() + self.options.lease_seconds / 3
        time.sleep(self.options.poll_seconds)

    def _batch(self, outputs: Sequence[Output]) -> None:
        started, done, failed = time.monotonic(), self.done, self.failed
        bindings = ArmBinding.objects.filter(arm__in={output.arm_id for output in outputs}).select_related("system")
        systems = {binding.arm_id: binding.system for binding in bindings}
        with Heartbeat(self.run, lease_seconds=self.options.lease_seconds):
            for arm_id, group in groupby(sorted(outputs, key=lambda output: output.arm_id), lambda one: one.arm_id):
                self._arm(systems.get(arm_id), list(group))
        done, failed = self.done - done, self.failed - failed
        run_heartbeat(run=self.run, done=done, failed=failed, lease_seconds=self.options.lease_seconds)
        seconds = time.monotonic() - started
        logger.info("run %s: %d outputs made, %d attempts failed, %.1f s", self.run.key, done, failed, seconds)

    def _arm(self, system: System | None, outputs: Sequence[Output]) -> None:
        try:
            checked, engine = self._engine(system, outputs[0])
        except _CannotServe as error:
            for output in outputs:
                self._fail(output, str(error), final=True)
            return
        requests = {output.pk: _request(output, checked) for output in outputs}
        for output, result in self._generate(engine, outputs, requests):
            if isinstance(result, GenerationFailure):
                self._fail(output, result.error, final=result.final)
            else:
                self._fill(output, checked, requests[output.pk], result)

    def _engine(self, system: System | None, output: Output) -> tuple[System, Engine]:
        """Return the arm's system with its engine; raise _CannotServe if its outputs would not be what was bound."""
        if system is None:
            raise _CannotServe(f"{output.arm.code} is not bound to a system; see bind_arms.")
        if system.engine == IMPORTED:
            raise _CannotServe(f"{output.arm.code} has imported outputs only, and none was imported for this persona.")
        fingerprint = present_fingerprint(system)
        if fingerprint != output.arm.fingerprint:
            raise _CannotServe(
                f"The files or settings behind {output.arm.code} have changed since it was bound. Restore them, or "
                "make a new version of the study."
            )
        key = (system.pk, fingerprint)
        if key not in self.engines:
            try:
                self.engines[key] = engine_module(system.engine).create(engine_settings(system))
            except EngineError as error:
                raise _CannotServe(str(error)) from error
        return system, self.engines[key]

    def _generate(
        self, engine: Engine, outputs: Sequence[Output], requests: dict[int, GenerationRequest]
    ) -> list[tuple[Output, GenerationResult | GenerationFailure]]:
        """Generate for all at once; if that fails, one by one, so that one bad prompt harms no other."""
        try:
            results = engine.generate([requests[output.pk] for output in outputs])
            return list(zip(outputs, results, strict=True))
        except EngineError as error:
            if len(outputs) == 1:
                self._fail(outputs[0], str(error), final=False)
                return []
        return [pair for output in outputs for pair in self._generate(engine, [output], requests)]

    def _fill(self, output: Output, system: System, request: GenerationRequest, result: GenerationResult) -> None:
        text, ended = strip_end_of_text(result.text)
        reason: FinishReason = "stop" if ended else result.finish_reason
        text = whole_answer(output.persona.item.answer_start, text)
        if not text:
            self._fail(output, "The model returned an empty text.", final=False)
            return
        try:
            stored = self._store(output, system, request, replace(result, text=text, finish_reason=reason))
        except ServiceError as error:
            self._fail(output, str(error), final=True)
            return
        if stored:
            self.done += 1
            self.on_output()

    def _store(self, output: Output, system: System, request: GenerationRequest, result: GenerationResult) -> bool:
        """Write the response and how it was made together; False if the lease was lost meanwhile."""
        with transaction.atomic():
            filled = output_fill(
                output_id=output.pk, holder=self.run.key, text=result.text, fingerprint=output.arm.fingerprint
            )
            if filled:
                Generation.objects.create(
                    run=self.run,
                    system=system,
                    output=output,
                    rendered_prompt=plain_text(request),
                    finish_reason=result.finish_reason,
                    prompt_tokens=result.prompt_tokens,
                    completion_tokens=result.completion_tokens,
                    seconds=result.seconds,
                )
        return filled

    def _fail(self, output: Output, error: str, *, final: bool) -> None:
        if output_fail(output_id=output.pk, holder=self.run.key, error=error, final=final):
            self.failed += 1
            logger.warning("run %s: output %s failed: %s", self.run.key, output.key, error)


class _CannotServe(Exception):
    """Nothing of this arm can be made; trying again would not help."""


def _request(output: Output, system: System) -> GenerationRequest:
    item = output.persona.item
    return generation_request(system, prompt=item.prompt, persona=output.persona.text, answer_start=item.answer_start)
