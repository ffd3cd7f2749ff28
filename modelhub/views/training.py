"""The analysts' pages of training: the curves of one run, alive while it trains, and of several beside each other."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from annotation.http import read_view
from modelhub.http import get_pipeline_reader
from modelhub.models import Run
from modelhub.pipeline_results.training_curves import (
    Entry,
    best_entry,
    comparison_plot,
    epoch_words,
    number_words,
    run_look,
)
from modelhub.queries.runs import visible_runs
from modelhub.queries.training import (
    MOST_COMPARED,
    TRAINING_STAGES,
    chosen_runs,
    training_runs,
    training_shown,
    validation_entries,
)


@read_view
def run_curves(request: HttpRequest, key: str) -> HttpResponse:
    """Answer htmx with the curves of a training run as they are now; anybody else finds them on the run's page."""
    user = get_pipeline_reader(request)
    run = get_object_or_404(visible_runs(user).filter(stage__in=TRAINING_STAGES), key=key)
    if request.headers.get("HX-Request") != "true":
        return redirect("modelhub:run", key=run.key)
    return render(request, "modelhub/_training_renewed.html", {"run": run, **training_shown(run)})


@read_view
def training(request: HttpRequest) -> HttpResponse:
    """Compare the validation losses of chosen training runs. SFT and DPO measure different things: a plot for each."""
    user = get_pipeline_reader(request)
    keys = list(dict.fromkeys(request.GET.getlist("run")))
    chosen = chosen_runs(user, keys)
    context = {
        "runs": training_runs(user),
        "chosen": {run.key for run in chosen},
        "most": MOST_COMPARED,
        "too_many": len(keys) > MOST_COMPARED,
        "comparisons": _comparisons(chosen),
    }
    return render(request, "modelhub/training.html", context)


def _comparisons(chosen: list[Run]) -> list[dict[str, Any]]:
    entries = validation_entries(chosen)
    comparisons = []
    for stage in TRAINING_STAGES:
        logs = {run: entries.get(run.pk, []) for run in chosen if run.stage == stage}
        if logs:
            lines = [_line(number, run, log) for number, (run, log) in enumerate(logs.items())]
            comparisons.append({"stage": stage, "lines": lines, "plot": comparison_plot(list(logs.values()))})
    return comparisons


def _line(number: int, run: Run, log: list[Entry]) -> dict[str, Any]:
    best = best_entry(log)
    return {
        "run": run,
        "look": run_look(number),
        "best": number_words(best.number("eval_loss")) if best else "–",
        "epoch": epoch_words(best.epoch) if best else "–",
        "last": number_words(log[-1].number("eval_loss")) if log else "–",
    }
