"""The analysts' pages of judged outputs: win rates as bars, the pairs behind a bar, and one pair with all verdicts."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation.http import read_view
from modelhub.forms import OUTCOMES, JudgedForm, ResultsForm
from modelhub.http import get_pipeline_reader
from modelhub.models import Judgement
from modelhub.pipeline_results.judged import SAME, WITHOUT, Matched, comparisons, matched_of, metric_shares
from modelhub.pipeline_results.judged_text import delta_pq_text, source_name
from modelhub.queries.judgements import (
    judged_comparisons,
    judged_datasets,
    judged_results,
    judged_units,
    judgements_between,
    outcome_of,
    unit_rows,
)
from modelhub.results.judge import AverageShares, JudgedComparison, JudgedResult, MetricRates
from modelhub.stats.numbers import interval, percent, percent_interval, reason, warning
from modelhub.stats.winrate import METRICS
from plots.bars import BarRow, row_plot
from plots.shapes import Plot

PAIRS_PER_PAGE = 20
COMPARISONS_PER_PAGE = 4  # each may read many thousands of verdicts
_KINDS = {SAME: "both with the same personas", WITHOUT: "the base without personas"}
_SHORT = {
    "retrieved_chosen": "retr. chosen", "gold_chosen": "gold chosen", "retrieved_rejected": "retr. rejected",
    "gold_rejected": "gold rejected", "system": "one for all", "none": "none",
}  # fmt: skip


@read_view
def judgements(request: HttpRequest) -> HttpResponse:
    """Show win, tie and loss of everything that was compared, as bars and as a table, with Delta-PQ."""
    get_pipeline_reader(request)
    form = ResultsForm(request.GET, datasets=judged_datasets())
    dataset = form.dataset_chosen()
    page = Paginator(judged_comparisons(dataset), COMPARISONS_PER_PAGE).get_page(request.GET.get("page"))
    found = comparisons(judged_results(dataset, only=list(page)))
    panels = [_panel(number, one) for number, one in enumerate(found, start=1)]
    return render(request, "modelhub/judgements.html", {"form": form, "page": page, "panels": panels})


@read_view
def judged_pairs(request: HttpRequest) -> HttpResponse:
    """List the pairs of one comparison, by metric and outcome."""
    get_pipeline_reader(request)
    form = JudgedForm(request.GET)
    matched = form.matched()
    judged = judged_units(matched) if matched else []
    if matched is None or not judged:
        raise Http404("No such comparison was judged.")
    metric, outcome = form.cleaned_data["metric"], form.cleaned_data["outcome"]
    units = [unit for unit in judged if not outcome or unit.outcomes.get(metric, "") == outcome]
    page = Paginator(units, PAIRS_PER_PAGE).get_page(request.GET.get("page"))
    rows = [
        {"unit": unit, "test": test, "outcomes": [(metric, OUTCOMES.get(unit.outcomes.get(metric, ""), _("Not judged")))
                                                  for metric in METRICS]}
        for unit, test in unit_rows(list(page))
    ]  # fmt: skip
    context = {"form": form, "matched": matched, "about": _about(matched), "page": page, "rows": rows}
    return render(request, "modelhub/judgements_pairs.html", context)


@read_view
def judged_pair(request: HttpRequest, base: int, test: int) -> HttpResponse:
    """Show two outputs for one prompt, with every verdict on them in both orders and what the judges wrote."""
    get_pipeline_reader(request)
    groups = judgements_between(base, test)
    if not groups:
        raise Http404("These outputs were not compared.")
    first = groups[0][0]
    context = {
        "base": first.base,
        "test": first.test,
        "pair": first.test.pair,
        "sides": [("Base", first.base), ("Test", first.test)],
        "verdicts": [_verdict(group) for group in groups],
    }
    return render(request, "modelhub/judgements_pair.html", context)


def _panel(number: int, one: JudgedComparison) -> dict[str, Any]:
    average = one.average
    return {
        "id": f"judged-{number}",
        "title": f"{one.test} against {'itself' if one.base == one.test else one.base}",
        "base": f"{one.base} without personas" if one.kind == WITHOUT else one.base,
        "test": one.test,
        "kind": _KINDS.get(one.kind, "personas of two sources") + _by(one.inferred_by),
        "split": one.split,
        "judge": one.judge,
        "rubric": one.rubric,
        "plots": [
            {"id": f"judged-{number}-{place}-{metric}", "dataset": dataset, "metric": metric, "plot": plot}
            for place, (dataset, rows) in enumerate(_by_dataset(one.rows), start=1)
            for metric, plot in _plots(rows)
        ],
        "rows": [_row(row) for row in one.rows],
        "average": {
            "metrics": [_average_shares(average.metrics[metric]) for metric in METRICS],
            "delta_pq": delta_pq_text(average.delta_pq),
            "ci": interval(average.delta_pq_ci, digits=1, sign=True),
            "rows": average.rows,
        },
        "notes": [warning(code) for code in dict.fromkeys(code for row in one.rows for code in row.warnings)],
        "worse": [line for row in one.rows if row.worse for line in _worse(row)],
    }


def _by(inferred_by: str) -> str:
    return f", inferred by {inferred_by}" if inferred_by else ""


def _average_shares(average: AverageShares) -> list[dict[str, str]]:
    cells = ((average.win, average.win_ci), (average.tie, average.tie_ci), (average.loss, average.loss_ci))
    return [{"share": percent(share), "ci": percent_interval(ci) if ci else ""} for share, ci in cells]


def _by_dataset(rows: Sequence[JudgedResult]) -> list[tuple[str, list[JudgedResult]]]:
    ordered = sorted(rows, key=attrgetter("dataset"))
    return [(dataset, list(found)) for dataset, found in groupby(ordered, key=attrgetter("dataset"))]


def _plots(rows: Sequence[JudgedResult]) -> list[tuple[str, Plot]]:
    """Return a plot for each metric: a bar per source, of the shares of win, tie and loss in percent."""
    return [(metric, row_plot([_bar(row, metric) for row in rows], maximum=100)) for metric in METRICS]


def _bar(row: JudgedResult, metric: str) -> BarRow:
    shares = metric_shares(row.metrics[metric])
    label = _SHORT.get(row.source, row.source)
    if shares is None:
        return BarRow(label, (), "–")
    parts = tuple(100 * share for share in shares)
    return BarRow(label, parts, "/".join(f"{part:.0f}" for part in parts))


def _row(row: JudgedResult) -> dict[str, Any]:
    matched = vars(matched_of(row))
    return {
        "dataset": row.dataset,
        "source": source_name(row.source),
        "metrics": [_metric(matched, metric, row.metrics[metric]) for metric in METRICS],
        "delta_pq": delta_pq_text(row.delta_pq),
        "ci": interval(row.delta_pq_ci, digits=1, sign=True),
        "why": reason(row.reasons["delta_pq_ci"]) if row.delta_pq is not None and not row.delta_pq_ci else "",
        "excluded": row.excluded,
    }


def _metric(matched: Mapping[str, str], metric: str, found: MetricRates) -> dict[str, Any]:
    """Return a metric's counts, each with the address of its pairs."""
    counts = {"win": found.win, "tie": found.tie_order + found.tie_genuine, "loss": found.loss,
              "invalid": found.invalid}  # fmt: skip
    shares = dict(zip(("win", "tie", "loss"), metric_shares(found) or (None, None, None), strict=True))
    address = reverse("modelhub:judged_pairs")
    return {
        "metric": metric,
        "n": found.n,
        "cells": [
            {
                "words": OUTCOMES[outcome].casefold(),
                "count": counts[outcome],
                "share": percent(shares[outcome]) if outcome in shares else "",
                "address": f"{address}?{urlencode({**matched, 'metric': metric, 'outcome': outcome})}",
            }
            for outcome in OUTCOMES
        ],
    }


def _worse(row: JudgedResult) -> list[dict[str, Any]]:
    return [
        {
            "dataset": row.dataset,
            "source": source_name(row.source),
            "metric": metric,
            "count": f"{share.count} of {share.n}",
            "share": percent(share.share),
            "ci": percent_interval(share.ci),
        }
        for metric, share in (row.worse or {}).items()
    ]


def _about(matched: Matched) -> str:
    return (
        f"{matched.test} ({source_name(matched.source)}) against {matched.base} "
        f"({source_name(matched.base_source)}) on {matched.dataset}/{matched.split}, judged by {matched.judge}, "
        f"{matched.rubric}{f'; personas inferred by {matched.inferred_by}' if matched.inferred_by else ''}"
    )


def _verdict(group: Sequence[Judgement]) -> dict[str, Any]:
    first = group[0]
    return {
        "judge": first.judge.name,
        "rubric": first.rubric,
        "metric": first.metric,
        "outcome": OUTCOMES[outcome_of(group)],
        "orders": [{"said": one, "favours": _favours(one)} for one in group],
    }


def _favours(one: Judgement) -> str:
    """Return which side was named, in words; empty if unscored."""
    if one.verdict in (Judgement.Verdict.UNSCORED, Judgement.Verdict.TIE):
        return "neither" if one.verdict else ""
    first_is_base = one.order == Judgement.Order.BASE_FIRST
    return "the base" if (one.verdict == Judgement.Verdict.A) == first_is_base else "the test"
