"""Train an adapter or a whole model on stored preference pairs: rows to a job, the job to a run with its log.

The work is `modelhub.training`; here is what it needs of the database, and what the database is told of it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.errors import ServiceError
from modelhub.engines.digests import MANIFEST
from modelhub.files.problems import first_lines
from modelhub.models import Direction, PreferencePair, Run, System, TrainingLog
from modelhub.prompting.layouts import PersonaStyle
from modelhub.queries.checks import ANY, unfit_personas
from modelhub.queries.datasets import inferring_system, splits_of
from modelhub.queries.personas import Texts, gold_personas, retrieved_personas, retrieved_sources, retriever_of
from modelhub.runs.recording import Execution, recorded_run
from modelhub.runs.stage import Reporting
from modelhub.stages.shared.training_options import RETRIEVED, Trained, TrainOptions, model_folder
from modelhub.systems.registering import Trying, system_register
from modelhub.training.data import Examples, TrainingRow, build_examples
from modelhub.training.dpo import train_dpo
from modelhub.training.job import (
    DPO,
    SFT,
    DataDescription,
    FolderState,
    TrainingJob,
    check_start,
    folder_state,
    is_main_process,
    processes,
)
from modelhub.training.manifest import hub_revision, is_whole_model, read_manifest
from modelhub.training.sft import train_sft
from modelhub.training.trainer import EVALUATION, TRAIN, LogEntry, PreparedTraining, TrainingResult, Watch, prepare

LEAVES = "The same command goes on from the last checkpoint."
_SIDES = tuple(Direction.values)
_TRAININGS = {SFT: train_sft, DPO: train_dpo}


@dataclass(frozen=True)
class TrainingPlan:
    """A job made ready, with what a person should know before it begins.

    `left_out` names each row that cannot be trained on. `shared` counts validation pairs that are training pairs too,
    and `unfit` the examples that are not learned from for the quality of their persona.
    """

    job: TrainingJob
    prepared: PreparedTraining
    left_out: list[str]
    shared: int
    unfit: int
    finished: bool


@dataclass(frozen=True)
class TrainingReport:
    """The run and what it came to; both None in the processes that only help."""

    run: Run | None
    result: TrainingResult | None


def training_plan(request: TrainOptions, trained: Trained) -> TrainingPlan:
    """Return the job that the options describe, with its texts fitted; nothing is written.

    Raises ServiceError for rows without a needed persona unless they may be left out, for an SFT model that does not
    match, and for an output folder that holds something else.
    """
    splits_of(request.dataset, [request.train_split, request.val_split])
    described, texts, unfit = _personas(request)
    train = _examples(request, trained.kind, request.train_split, texts, unfit)
    validation = _examples(request, trained.kind, request.val_split, texts, unfit)
    left_out = [*train.left_out, *validation.left_out]
    if left_out and not request.allow_missing:
        lines = [f"{len(left_out)} rows cannot be trained on:", *first_lines(left_out)]
        raise ServiceError("\n".join([*lines, "Make what is missing, or leave them out with --allow-missing."]))
    job = TrainingJob(
        kind=trained.kind, base=trained.base, out=model_folder(request.out), recipe=trained.recipe, data=described,
        train=train.examples, validation=validation.examples, seed=request.seed, sft=trained.sft,
        report_to=request.report_to,
    )  # fmt: skip
    if trained.sft is not None:
        check_start(trained.sft, base=trained.base, data=described)
    prepared = prepare(job)
    finished = _is_finished(job)
    return TrainingPlan(job, prepared, left_out, _shared(request), train.unfit + validation.unfit, finished)


def run_training(plan: TrainingPlan, request: TrainOptions, reporting: Reporting) -> TrainingReport:
    """Train, from the last checkpoint if there is one, and keep a run with its log.

    Of several processes that train together the main one alone writes to the database. Ctrl-C closes the run as stopped
    and goes on up. Raises ScopeTaken while another run trains into the folder, and ServiceError if it cannot go on.
    """
    job = plan.job
    if not is_main_process():
        return TrainingReport(None, _train(plan, Watch()))
    with recorded_run(
        stage=f"train_{job.kind}", scope=_scope(job.out), arguments={**request.stored(), **_arguments(plan)},
        seed=job.seed, lease_seconds=request.lease_seconds, leaves=LEAVES,
    ) as execution:  # fmt: skip
        progress = _TrainingProgress(execution, reporting)
        result = _train(plan, Watch(progress.started, progress.logged))
        progress.complete(result.steps)
        execution.usage = lambda: _summary(result)
    return TrainingReport(execution.run, result)


def trained_system_register(
    *,
    name: str,
    out: Path,
    engine: str = "transformers",
    decoding: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    trying: Trying | None = None,
) -> System:
    """Register what a finished folder holds, an adapter or a model, for an engine that loads it; raise ServiceError.

    A model trained with personas gets them as in training, any other in the first person; one that was trained under a
    chat template is asked under it.
    """
    settings = trained_settings(out, decoding or {})
    return system_register(name=name, engine=engine, options=options, trying=trying, **settings)


def trained_settings(out: Path, decoding: Mapping[str, Any]) -> dict[str, Any]:
    """Return model, adapter, persona style and decoding of the system that a finished folder holds.

    It chats if it was trained so, unless `decoding` says otherwise. Raises ServiceError.
    """
    manifest = read_manifest(out)
    without = manifest["data"]["personas"] == "none"
    layout = manifest.get("recipe", {}).get("layout", {})
    style = layout.get("persona", PersonaStyle.FIELD)
    chat = {"chat": True} if layout.get("chat") else {}
    return {
        **(
            {"model": str(out)}
            if is_whole_model(manifest)
            else {"model": manifest["base"]["name"], "adapter": str(out)}
        ),
        "persona_style": PersonaStyle.FIRST_PERSON if without else PersonaStyle(style),
        "decoding": {**chat, **decoding},
    }


class _TrainingProgress:
    """Write what training reports to the run, and tell the caller."""

    def __init__(self, execution: Execution, reporting: Reporting) -> None:
        self._execution, self._reporting = execution, reporting
        self._step = self._shown = 0

    def started(self, total: int, done: int) -> None:
        """Note the steps that are left to do."""
        self._step = self._shown = done
        Run.objects.filter(pk=self._execution.run.pk, state=Run.State.RUNNING).update(total=total - done)
        self._reporting.start(total)
        self._reporting.advance(done)
        self._reporting.say(f"{total} steps" + (f", of which {done} are done already." if done else "."))

    def logged(self, entry: LogEntry) -> None:
        """Store what was measured; once per step and kind, whoever reports it again."""
        log = TrainingLog(
            run=self._execution.run, kind=entry.kind, step=entry.step, epoch=entry.epoch, values=entry.values
        )  # fmt: skip
        TrainingLog.objects.bulk_create([log], ignore_conflicts=True)
        if entry.kind == TRAIN and entry.step > self._step:
            self.complete(entry.step)
        self._reporting.advance(max(0, entry.step - self._shown))
        self._shown = max(self._shown, entry.step)
        if entry.kind == EVALUATION:
            self._reporting.say(f"Epoch {entry.epoch:g}, step {entry.step}: validation loss {_loss(entry)}.")

    def complete(self, step: int) -> None:
        """Count the steps up to this one as done."""
        self._execution.advance(step - self._step)
        self._step = step


def _loss(entry: LogEntry) -> str:
    value = entry.values.get("eval_loss")
    return "not a number" if value is None else f"{value:.4f}"


def _train(plan: TrainingPlan, watch: Watch) -> TrainingResult:
    return _TRAININGS[plan.job.kind](plan.job, watch, prepared=plan.prepared)


_Unfit = set[tuple[int, str]]  # pair and direction


def _personas(request: TrainOptions) -> tuple[DataDescription, Texts, _Unfit]:
    """Return the description of the data, the persona texts that its examples may need, and which are unfit."""
    splits = [request.train_split, request.val_split]
    names = {"train_split": request.train_split, "validation_split": request.val_split}
    if request.personas == "none":
        return DataDescription(dataset=request.dataset, personas="none", **names), {}, set()
    system = inferring_system(request.dataset, request.system)
    if request.persona_source == RETRIEVED:
        retriever = retriever_of(request.dataset, splits, request.retriever)
        texts = retrieved_personas(request.dataset, splits, system, retriever)
    else:
        retriever, texts = "", gold_personas(request.dataset, splits, system)
    unfit = unfit_personas(request.dataset, system, request.persona_quality)
    if unfit and retriever:
        sources = retrieved_sources(request.dataset, splits, retriever)
        unfit = {(pair, side) for pair, source in sources.items() for side in _SIDES if (source, side) in unfit}
    described = DataDescription(
        dataset=request.dataset, personas=request.personas, persona_source=request.persona_source,
        inferring_system=system.name, retriever=retriever, **names,
        persona_quality="" if request.persona_quality == ANY else request.persona_quality,
    )  # fmt: skip
    return described, texts, unfit


def _examples(request: TrainOptions, kind: str, split: str, texts: Texts, unfit: _Unfit) -> Examples:
    pairs = PreferencePair.objects.filter(dataset=request.dataset, split=split)[: request.limit]
    rows = [
        TrainingRow(
            str(pair), pair.prompt, {"chosen": pair.chosen, "rejected": pair.rejected}, texts.get(pair.pk, {}),
            frozenset(side for side in _SIDES if (pair.pk, side) in unfit),
        )
        for pair in pairs
    ]  # fmt: skip
    return build_examples(rows, personas=request.personas, both_responses=kind == DPO)


def _shared(request: TrainOptions) -> int:
    pairs = PreferencePair.objects.filter(dataset=request.dataset).order_by()
    trained = pairs.filter(split=request.train_split).values("key")
    return pairs.filter(split=request.val_split, key__in=trained).count()


def _is_finished(job: TrainingJob) -> bool:
    if is_main_process():
        return folder_state(job) == FolderState.FINISHED
    # The main process looks closer, and claims the folder meanwhile.
    return (job.out / MANIFEST).is_file()


def _scope(out: Path) -> str:
    place = hashlib.sha256(str(out.resolve()).encode("utf-8")).hexdigest()[:12]
    return f"training:{out.name[:100]}:{place}"


def _arguments(plan: TrainingPlan) -> dict[str, Any]:
    return plan.job.describe() | {
        "base": plan.job.base,
        "base_revision": hub_revision(plan.job.base),
        "out": str(plan.job.out),
        "sft": str(plan.job.sft or ""),
        "shortened": plan.prepared.shortening,
        "left_out": len(plan.left_out),
        "unfit_personas": plan.unfit,
        "validation_pairs_trained_on": plan.shared,
        "processes": processes(),
        "report_to": list(plan.job.report_to),
    }


def _summary(result: TrainingResult) -> dict[str, Any]:
    return {
        "steps": result.steps,
        "resumed_at": result.resumed_at,
        "best_step": result.best_step,
        "best_epoch": result.best_epoch,
        "best_eval_loss": result.best_loss,
        "seconds": round(result.seconds, 1),
    }
