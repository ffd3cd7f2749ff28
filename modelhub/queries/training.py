"""Reads for the pages about training: what a run logged, and which runs there are to compare."""

from collections.abc import Collection
from typing import Any

from annotation.models import User
from modelhub.models import Run, TrainingLog
from modelhub.pipeline_results.training_curves import Entry, training_curves
from modelhub.pipeline_results.training_summary import training_summary
from modelhub.queries.runs import visible_runs
from plots.palette import MOST_LINES

TRAINING_STAGES = ("train_sft", "train_dpo")
MOST_LISTED = 50
MOST_COMPARED = MOST_LINES


def is_training(run: Run) -> bool:
    """Return whether the run trains a model."""
    return run.stage in TRAINING_STAGES


def training_shown(run: Run) -> dict[str, Any]:
    """Return what pages show of a training run: its `summary`, and the `curves` of what it logged so far."""
    curves = training_curves(_entries(TrainingLog.objects.filter(run=run)).get(run.pk, []))
    alive = run.state == Run.State.RUNNING
    return {"curves": curves, "summary": training_summary(run.arguments, curves.best), "alive": alive}


def training_runs(user: User) -> list[Run]:
    """Return the newest training runs that the user may see, newest first."""
    return list(visible_runs(user).filter(stage__in=TRAINING_STAGES).order_by("-pk")[:MOST_LISTED])


def chosen_runs(user: User, keys: Collection[str]) -> list[Run]:
    """Return the training runs of these keys that the user may see, oldest first, at most MOST_COMPARED of them."""
    found = visible_runs(user).filter(stage__in=TRAINING_STAGES, key__in=keys)
    return list(found.order_by("pk")[:MOST_COMPARED])


def validation_entries(runs: Collection[Run]) -> dict[int, list[Entry]]:
    """Return what each run, by primary key, measured on its validation rows."""
    return _entries(TrainingLog.objects.filter(run__in=runs, kind=TrainingLog.Kind.EVALUATION))


def _entries(logs: Any) -> dict[int, list[Entry]]:
    entries: dict[int, list[Entry]] = {}
    # At one step training before validation, as it was measured.
    rows = logs.order_by("run", "step", "-kind").values_list("run_id", "kind", "step", "epoch", "values")
    for run, kind, step, epoch, values in rows:
        entries.setdefault(run, []).append(Entry(kind, step, epoch, values))
    return entries
