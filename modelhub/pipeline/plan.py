"""Put the steps in order, say what is left of them, and do it."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from annotation.errors import ServiceError
from annotation.models import User
from annotation.studyfile import read_study_file
from modelhub.pipeline.comparing import (
    DraftStudy,
    RegisterPrompted,
    RegisterTrained,
    filter_step,
    generate_step,
    judge_step,
    train_step,
)
from modelhub.pipeline.config import PLAIN, TAILORED, Pipeline
from modelhub.pipeline.inferring import RegisterSystems, check_step, import_step, infer_step, retrieve_step
from modelhub.pipeline.steps import PipelineStep, StageStep
from modelhub.retrieval.checkpoint import find_checkpoint
from modelhub.runs.stage import Remaining, Reporting
from modelhub.stages.shared.profiles import profile_of
from modelhub.training.job import DPO, SFT
from modelhub.training.loading import check_base


@dataclass(frozen=True)
class Planned:
    """A step with what is left of it; None where that cannot be known before an earlier step is done."""

    step: PipelineStep
    left: Remaining | None

    def __str__(self) -> str:
        if self.left is None:
            return f"{self.step.name}: after the steps before"
        if not self.left.left:
            return f"{self.step.name}: done ({self.left.done} {self.step.unit})"
        total = self.left.left + self.left.done
        return f"{self.step.name}: {self.left.left} of {total} {self.step.unit} to make"


def pipeline_steps(pipeline: Pipeline, *, owner: User | None) -> list[PipelineStep]:
    """Return the steps in their order."""
    steps: list[PipelineStep] = [import_step(pipeline), RegisterSystems(pipeline), infer_step(pipeline)]
    if pipeline.judge and pipeline.judge.check_splits:
        steps.append(check_step(pipeline, pipeline.judge.name, pipeline.judge.check_splits))
    if pipeline.needs_retrieval:
        steps.append(retrieve_step(pipeline))
    steps += [train_step(pipeline, kind, arm) for arm in (PLAIN, TAILORED) for kind in (SFT, DPO)]
    steps.append(RegisterTrained(pipeline))
    if pipeline.prompted:
        steps.append(RegisterPrompted(pipeline))
    steps += [generate_step(pipeline), filter_step(pipeline)]
    if pipeline.judge:
        steps.append(judge_step(pipeline, pipeline.judge))
    if pipeline.study and owner:
        steps.append(DraftStudy(pipeline, pipeline.study, owner))
    return steps


def pipeline_check(pipeline: Pipeline, *, owner: User | None) -> None:
    """Raise ServiceError listing what would stop a later step: better now than after days of inference."""
    checks: list[Callable[[], object]] = [
        lambda: profile_of(pipeline.profile or pipeline.dataset),
        lambda: check_base(pipeline.training.base),
    ]
    if retrieval := pipeline.retrieval:
        checks.append(lambda: find_checkpoint(retrieval.checkpoint))
    if study := pipeline.study:
        checks.append(lambda: read_study_file(Path(study.file)))
    checks += [step.parameters for step in pipeline_steps(pipeline, owner=owner) if isinstance(step, StageStep)]
    problems = [problem for check in checks if (problem := _problem(check))]
    if pipeline.study and owner is None:
        problems.append("The study needs an owner: name an account, --owner, or make one with create_researcher.")
    if problems:
        raise ServiceError("\n".join(problems))


def _problem(check: Callable[[], object]) -> str:
    try:
        check()
    except ServiceError as error:
        return str(error)
    return ""


def pipeline_plan(steps: Sequence[PipelineStep]) -> list[Planned]:
    """Return what is left of every step, without doing anything.

    Raises ServiceError for what stands in the way of the first step that is not done.
    """
    planned: list[Planned] = []
    waiting = False
    for step in steps:
        try:
            left: Remaining | None = step.remaining()
        except ServiceError:
            if not waiting:
                raise
            left = None
        planned.append(Planned(step, left))
        waiting = waiting or left is None or left.left > 0
    return planned


def pipeline_run(steps: Sequence[PipelineStep], reporting: Reporting, *, on_step: Callable[[Planned], object]) -> None:
    """Do what is left, step by step; what is finished is never done again.

    Raises ServiceError, with the step's name, at the first step that cannot go on; a KeyboardInterrupt goes up. What is
    stored stays, and the next call goes on from there.
    """
    for number, step in enumerate(steps, start=1):
        try:
            left = step.remaining()
            on_step(Planned(step, left))
            if left.left:
                step.run(reporting)
        except ServiceError as error:
            raise ServiceError(
                f"Step {number} of {len(steps)}, {step.name}: {error}\nThe same command goes on from here."
            ) from error
        gc.collect()  # frees the step's model before the next one is loaded
