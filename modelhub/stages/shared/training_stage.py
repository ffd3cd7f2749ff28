"""A training as a stage: what its command says before, while and after it trains."""

import json
from collections.abc import Callable
from typing import TypeVar

from modelhub.engines.digests import MANIFEST
from modelhub.runs.stage import Remaining, Reporting, Stage
from modelhub.stages.shared.training import (
    LEAVES,
    TrainingPlan,
    run_training,
    trained_system_register,
    training_plan,
)
from modelhub.stages.shared.training_options import Trained, TrainOptions, model_folder
from modelhub.systems.trying import telling
from modelhub.training.job import is_main_process
from modelhub.training.layout import Asked

T = TypeVar("T", bound=TrainOptions)
_DRY_RUN_EXAMPLES = 2


def training_stage(*, kind: str, summary: str, parameters: type[T], trained: Callable[[T], Trained]) -> Stage[T]:
    """Declare a training; `trained` says what is trained, and raises ServiceError for what cannot be."""

    def run(wanted: T, reporting: Reporting) -> None:
        _run(training_plan(wanted, trained(wanted)), wanted, _of_main_process(reporting))

    def dry_run(wanted: T, reporting: Reporting) -> None:
        _dry_run(training_plan(wanted, trained(wanted)), _of_main_process(reporting))

    def left(wanted: T) -> Remaining:
        if not (model_folder(wanted.out) / MANIFEST).is_file():
            return Remaining(1)
        # Reads the texts again, and refuses a folder that was trained on others, or otherwise.
        return Remaining(0, 1) if training_plan(wanted, trained(wanted)).finished else Remaining(1)

    return Stage(
        name=f"train_{kind}",
        summary=summary,
        unit="steps",
        parameters=parameters,
        run=run,
        dry_run=dry_run,
        left=left,
        leaves=LEAVES,
    )


def _of_main_process(reporting: Reporting) -> Reporting:
    """Of several processes that train together, one talks."""
    return reporting if is_main_process() else Reporting()


def _run(plan: TrainingPlan, wanted: TrainOptions, reporting: Reporting) -> None:
    if plan.finished:
        reporting.say(f"{plan.job.out} holds this training, finished. Nothing was done.")
    else:
        reporting.say(_counts(plan))
        _train(plan, wanted, reporting)
    if wanted.registered and is_main_process():
        system = trained_system_register(name=wanted.registered, out=plan.job.out, trying=telling(reporting.say))
        reporting.say(f"Registered {system.name} ({system.persona_style}), fingerprint {system.fingerprint[:12]}…")


def _train(plan: TrainingPlan, wanted: TrainOptions, reporting: Reporting) -> None:
    report = run_training(plan, wanted, reporting)
    if report.run is None or report.result is None:
        return
    result = report.result
    reporting.say(
        f"Run {report.run.key}: {result.steps} steps; best is step {result.best_step} (epoch {result.best_epoch:g}) "
        f"with validation loss {result.best_loss:.4f}. It is in {result.out}."
    )


def _dry_run(plan: TrainingPlan, reporting: Reporting) -> None:
    reporting.say(json.dumps(plan.job.describe()["recipe"], indent=2))
    for row in plan.prepared.train.rows[:_DRY_RUN_EXAMPLES]:
        reporting.say("\n".join(["---", *(f"[{name}] {_as_text(asked)}" for name, asked in row.items()), ""]))
    reporting.say(_counts(plan))
    reporting.say("Nothing was trained or stored: this was a dry run.")


def _as_text(asked: Asked) -> str:
    return asked if isinstance(asked, str) else "\n".join(f"{turn['role']}: {turn['content']}" for turn in asked)


def _counts(plan: TrainingPlan) -> str:
    job = plan.job
    lines = [
        f"{job.data.dataset}: {len(job.train)} training and {len(job.validation)} validation examples.",
        f"Personas: {job.data.personas}.",
        f"Training: {plan.prepared.train.shortening}. Validation: {plan.prepared.validation.shortening}.",
    ]
    if plan.left_out:
        lines.append(f"Left out: {len(plan.left_out)} rows without a needed persona or response.")
        lines += plan.left_out
    if plan.unfit:
        lines.append(f"Not learned from, for the quality of their personas ({job.data.persona_quality}): {plan.unfit}.")
    if plan.shared:
        lines.append(f"{plan.shared} validation pairs are training pairs too.")
    return "\n".join(lines)
