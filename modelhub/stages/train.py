"""Train an adapter on stored preference pairs: rows to a job, the job to a run with its log.

The work is `modelhub.training`; here is what it needs of the database, and what the database is told of it.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.errors import ServiceError
from modelhub.files.problems import first_lines
from modelhub.models import PreferencePair, Run, System, TrainingLog
from modelhub.queries.datasets import inferring_system, splits_of
from modelhub.queries.personas import Texts, gold_personas, retrieved_personas, retriever_of
from modelhub.runs.heartbeat import Heartbeat
from modelhub.runs.lifecycle import LEASE_SECONDS, run_finish, run_heartbeat, run_start
from modelhub.systems.registering import system_register
from modelhub.training.config import Recipe
from modelhub.training.data import Example, TrainingRow, build_examples
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
from modelhub.training.manifest import MANIFEST, hub_revision, read_manifest
from modelhub.training.sft import train_sft
from modelhub.training.trainer import TRAIN, LogEntry, Prepared, TrainingResult, Watch, prepare

GOLD, RETRIEVED = "gold", "retrieved"
PERSONA_SOURCES = (GOLD, RETRIEVED)
_TRAININGS = {SFT: train_sft, DPO: train_dpo}


@dataclass(frozen=True)
class TrainingRequest:
    """What a person asks for. `sft` is the folder that DPO starts from; `limit` takes the first rows of each split."""

    kind: str
    dataset: str
    train_split: str
    validation_split: str
    base: str
    out: Path
    recipe: Recipe
    personas: str = "chosen"
    source: str = GOLD
    system: str = ""
    retriever: str = ""
    seed: int = 0
    limit: int | None = None
    allow_missing: bool = False
    sft: Path | None = None
    report_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingPlan:
    """A job made ready, with what a person should know before it begins.

    `left_out` names each row that cannot be trained on; `shared` counts validation pairs that are training pairs too.
    """

    job: TrainingJob
    prepared: Prepared
    left_out: list[str]
    shared: int
    finished: bool


@dataclass(frozen=True)
class TrainingReport:
    """The run and what it came to; both None in the processes that only help."""

    run: Run | None
    result: TrainingResult | None


def training_plan(request: TrainingRequest) -> TrainingPlan:
    """Return the job that the request describes, with its texts fitted; nothing is written.

    Raises ServiceError for rows without a needed persona unless they may be left out, for an SFT model that does not
    match, and for an output folder that holds something else.
    """
    splits_of(request.dataset, [request.train_split, request.validation_split])
    described, texts = _personas(request)
    train, left_out = _examples(request, request.train_split, texts)
    validation, more = _examples(request, request.validation_split, texts)
    left_out += more
    if left_out and not request.allow_missing:
        lines = [f"{len(left_out)} rows cannot be trained on:", *first_lines(left_out)]
        raise ServiceError("\n".join([*lines, "Make what is missing, or leave them out with --allow-missing."]))
    job = TrainingJob(
        kind=request.kind, base=request.base, out=request.out, recipe=request.recipe, data=described, train=train,
        validation=validation, seed=request.seed, sft=request.sft, report_to=request.report_to,
    )  # fmt: skip
    if request.sft is not None:
        check_start(request.sft, base=request.base, data=described)
    prepared = prepare(job)
    finished = _is_finished(job)
    return TrainingPlan(job, prepared, left_out, _shared(request), finished)


def run_training_stage(
    plan: TrainingPlan,
    *,
    lease_seconds: int = LEASE_SECONDS,
    on_start: Callable[[int, int], object] = lambda total, done: None,
    on_log: Callable[[LogEntry], object] = lambda entry: None,
) -> TrainingReport:
    """Train, from the last checkpoint if there is one, and keep a run with its log.

    Of several processes that train together the main one alone writes to the database. Ctrl-C closes the run as stopped
    and goes on up. Raises ScopeTaken while another run trains into the folder, and ServiceError if it cannot go on.
    """
    job = plan.job
    if not is_main_process():
        return TrainingReport(None, _train(plan, Watch()))
    run = run_start(
        stage=f"train_{job.kind}", scope=_scope(job.out), arguments=_arguments(plan), seed=job.seed,
        lease_seconds=lease_seconds,
    )  # fmt: skip
    progress = _Progress(run, lease_seconds=lease_seconds, on_start=on_start, on_log=on_log)
    state, message, usage = Run.State.FAILED, "It ended with an error; see the terminal.", {}
    try:
        with Heartbeat(run, lease_seconds=lease_seconds):
            result = _train(plan, Watch(progress.started, progress.logged))
        state, message, usage = Run.State.FINISHED, "", _summary(result)
        progress.complete(result.steps)
    except KeyboardInterrupt:
        state, message = Run.State.STOPPED, "Stopped by a signal. The same command goes on from the last checkpoint."
        raise
    except ServiceError as error:
        message = str(error)
        raise
    finally:
        run_finish(run=run, state=state, message=message, usage=usage)
    return TrainingReport(run, result)


def trained_system_register(
    *,
    name: str,
    out: Path,
    engine: str = "transformers",
    decoding: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> System:
    """Register what a finished folder holds, for an engine that loads adapters; raise ServiceError.

    A model trained with personas gets them on their own line, any other in the first person.
    """
    settings = trained_settings(out)
    return system_register(name=name, engine=engine, decoding=decoding or {}, options=options, **settings)


def trained_settings(out: Path) -> dict[str, Any]:
    """Return model, adapter and persona style of the system that a finished folder holds; raise ServiceError."""
    manifest = read_manifest(out)
    without = manifest["data"]["personas"] == "none"
    return {
        "model": manifest["base"]["name"],
        "adapter": str(out),
        "persona_style": System.PersonaStyle.FIRST_PERSON if without else System.PersonaStyle.FIELD,
    }


class _Progress:
    """Write what training reports to the run, and tell the caller."""

    def __init__(
        self,
        run: Run,
        *,
        lease_seconds: int,
        on_start: Callable[[int, int], object],
        on_log: Callable[[LogEntry], object],
    ) -> None:
        self._run, self._lease_seconds = run, lease_seconds
        self._on_start, self._on_log = on_start, on_log
        self._step = 0

    def started(self, total: int, done: int) -> None:
        """Note the steps that are left to do."""
        self._step = done
        Run.objects.filter(pk=self._run.pk, state=Run.State.RUNNING).update(total=total - done)
        self._on_start(total, done)

    def logged(self, entry: LogEntry) -> None:
        """Store what was measured; once per step and kind, whoever reports it again."""
        log = TrainingLog(
            run=self._run, kind=entry.kind, step=entry.step, epoch=entry.epoch, values=entry.values
        )  # fmt: skip
        TrainingLog.objects.bulk_create([log], ignore_conflicts=True)
        if entry.kind == TRAIN and entry.step > self._step:
            self.complete(entry.step)
        self._on_log(entry)

    def complete(self, step: int) -> None:
        """Count the steps up to this one as done."""
        run_heartbeat(run=self._run, done=step - self._step, lease_seconds=self._lease_seconds)
        self._step = step


def _train(plan: TrainingPlan, watch: Watch) -> TrainingResult:
    return _TRAININGS[plan.job.kind](plan.job, watch, prepared=plan.prepared)


def _personas(request: TrainingRequest) -> tuple[DataDescription, Texts]:
    """Return the description of the data, and the persona texts that its examples may need."""
    splits = [request.train_split, request.validation_split]
    names = {"train_split": request.train_split, "validation_split": request.validation_split}
    if request.personas == "none":
        return DataDescription(dataset=request.dataset, personas="none", **names), {}
    system = inferring_system(request.dataset, request.system)
    if request.source == RETRIEVED:
        retriever = retriever_of(request.dataset, splits, request.retriever)
        texts = retrieved_personas(request.dataset, splits, system, retriever)
    else:
        retriever, texts = "", gold_personas(request.dataset, splits, system)
    described = DataDescription(
        dataset=request.dataset, personas=request.personas, persona_source=request.source,
        inferring_system=system.name, retriever=retriever, **names,
    )  # fmt: skip
    return described, texts


def _examples(request: TrainingRequest, split: str, texts: Texts) -> tuple[list[Example], list[str]]:
    pairs = PreferencePair.objects.filter(dataset=request.dataset, split=split)[: request.limit]
    rows = [
        TrainingRow(str(pair), pair.prompt, {"chosen": pair.chosen, "rejected": pair.rejected}, texts.get(pair.pk, {}))
        for pair in pairs
    ]
    built = build_examples(rows, personas=request.personas, both_responses=request.kind == DPO)
    return built.examples, built.left_out


def _shared(request: TrainingRequest) -> int:
    pairs = PreferencePair.objects.filter(dataset=request.dataset).order_by()
    trained = pairs.filter(split=request.train_split).values("key")
    return pairs.filter(split=request.validation_split, key__in=trained).count()


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
