"""Make the outputs that participants are waiting for. Requested outputs are the queue; see services/outputs.py."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Annotated

from django.db import transaction
from pydantic import Field

from annotation.errors import ServiceError
from annotation.models import Output, Study
from annotation.services.outputs import output_fail, output_fill, outputs_claim, outputs_release
from modelhub.engines import IMPORTED, load_engine
from modelhub.engines.base import (
    Engine,
    EngineError,
    GenerationFailure,
    GenerationRequest,
    GenerationResult,
)
from modelhub.engines.decoding import plain_text
from modelhub.models import ArmBinding, Generation, Run, System
from modelhub.prompting.endings import whole_answer
from modelhub.runs.lifecycle import runs_mark_lost
from modelhub.runs.parameters import LeaseOptions, Option, Positive
from modelhub.runs.recording import Execution, recorded_run
from modelhub.runs.stage import Reporting, Stage
from modelhub.systems.registering import engine_settings, present_fingerprint
from modelhub.systems.requests import generation_request

logger = logging.getLogger(__name__)


BACK = "What was not finished went back to the queue."


class ServeOptions(LeaseOptions):
    """What a worker can be told. `once` ends when nothing is left to claim; times are in seconds."""

    once: bool = Field(default=False, description="empty the queue and exit")
    batch_size: Annotated[Positive, Option(metavar="N")] = Field(default=8, description="outputs claimed at a time")
    poll_seconds: Annotated[float, Option(metavar="S")] = Field(
        default=1.0, gt=0, description="pause when nothing is left"
    )


@dataclass
class Server:
    """A worker: one run, the engines it has loaded so far, and its counts."""

    execution: Execution
    options: ServeOptions
    reporting: Reporting
    study: Study | None = None
    engines: dict[tuple[int, str], Engine] = field(default_factory=dict)
    done: int = 0
    failed: int = 0

    @property
    def run(self) -> Run:
        """The run that is recorded."""
        return self.execution.run

    def serve(self) -> None:
        """Claim, generate and fill until interrupted, or until the queue is empty with `once`.

        However it ends, short of being killed, what it had claimed and not finished is given back.
        """
        try:
            while True:
                claimed = outputs_claim(
                    holder=self.run.key, limit=self.options.batch_size, lease_seconds=self.options.lease_seconds,
                    study=self.study,
                )  # fmt: skip
                if claimed:
                    self._batch(claimed)
                elif self.options.once:
                    return
                else:
                    time.sleep(self.options.poll_seconds)
        finally:
            outputs_release(holder=self.run.key)

    def _batch(self, outputs: Sequence[Output]) -> None:
        started, done, failed = time.monotonic(), self.done, self.failed
        bindings = ArmBinding.objects.filter(arm__in={output.arm_id for output in outputs}).select_related("system")
        systems = {binding.arm_id: binding.system for binding in bindings}
        for arm_id, group in groupby(sorted(outputs, key=lambda output: output.arm_id), lambda one: one.arm_id):
            self._arm(systems.get(arm_id), list(group))
        done, failed = self.done - done, self.failed - failed
        self.execution.advance(done, failed=failed)
        seconds = time.monotonic() - started
        logger.info("run %s: %d outputs made, %d attempts failed, %.1f s", self.run.key, done, failed, seconds)

    def _arm(self, system: System | None, outputs: Sequence[Output]) -> None:
        try:
            checked, engine = self._engine(system, outputs[0])
        except ServiceError as error:
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
        """Return the arm's system with its engine; raise ServiceError if its outputs would not be what was bound."""
        if system is None:
            raise ServiceError(f"{output.arm.code} is not bound to a system; see bind_arms.")
        if system.engine == IMPORTED:
            raise ServiceError(f"{output.arm.code} has imported outputs only, and none was imported for this persona.")
        fingerprint = present_fingerprint(system)
        if fingerprint != output.arm.fingerprint:
            raise ServiceError(
                f"The files or settings behind {output.arm.code} have changed since it was bound. Restore them, or "
                "make a new version of the study."
            )
        key = (system.pk, fingerprint)
        if key not in self.engines:
            self.engines[key] = load_engine(system.engine, engine_settings(system))
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
        text = whole_answer(output.persona.item.answer_start, result.text)
        if not text:
            self._fail(output, "The model returned an empty text.", final=False)
            return
        try:
            stored = self._store(output, system, request, replace(result, text=text))
        except ServiceError as error:
            self._fail(output, str(error), final=True)
            return
        if stored:
            self.done += 1
            self.reporting.advance(1)

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


def _request(output: Output, system: System) -> GenerationRequest:
    item = output.persona.item
    return generation_request(system, prompt=item.prompt, persona=output.persona.text, answer_start=item.answer_start)


def serve(options: ServeOptions, reporting: Reporting, *, stage: str, study: Study | None = None) -> Server:
    """Record a run, serve until done or stopped, and return the worker with its counts.

    Workers are meant to be stopped by a signal; that is no error, unlike anything else that ends one.
    """
    runs_mark_lost()
    arguments = options.stored() | ({"study": str(study)} if study else {})
    server = None
    try:
        with recorded_run(
            stage=stage, study=study, arguments=arguments, lease_seconds=options.lease_seconds, leaves=BACK
        ) as execution:
            server = Server(execution, options, reporting, study)
            reporting.start(_requested(study) if options.once else 0)
            server.serve()
    except KeyboardInterrupt:
        if server is None:
            raise
    return server


def _requested(study: Study | None) -> int:
    """Return how many outputs wait."""
    requested = Output.objects.filter(state=Output.State.REQUESTED)
    return (requested if study is None else requested.filter(arm__study=study)).count()


def _run(wanted: ServeOptions, reporting: Reporting) -> None:
    server = serve(wanted, reporting, stage=STAGE.name)
    reporting.say(
        f"Run {server.run.key} {server.run.state}: {server.done} outputs made, {server.failed} attempts failed."
    )


STAGE = Stage(
    name="serve_outputs",
    summary="Claim requested outputs, generate them, fill them in. Any number of workers may run on one database.",
    unit="outputs",
    parameters=ServeOptions,
    run=_run,
    leaves=BACK,
)
