"""The analysts' pages of how persona inference went: accuracy with its intervals, and the words that tell the sides."""

from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from annotation.http import read_view
from modelhub.forms import ResultsForm, WordsForm
from modelhub.http import get_pipeline_reader
from modelhub.models import Direction, System
from modelhub.pipeline_results.accuracy import CHOSEN, REJECTED
from modelhub.pipeline_results.accuracy_text import points, points_interval
from modelhub.queries.inference import Words, persona_results, persona_sources, persona_words
from modelhub.stats.numbers import decimal, interval, percent, percent_interval
from plots.estimates import Estimate, share_plot
from plots.shapes import Plot

WORDS_SHOWN = 25
_DIRECTIONS = {"chosen": "Chosen", "rejected": "Rejected", "both": "Both"}


@read_view
def persona_accuracy(request: HttpRequest) -> HttpResponse:
    """Show the accuracy of inferred personas and which of a pair's two is better, as plots and tables."""
    get_pipeline_reader(request)
    form = ResultsForm(request.GET, datasets=list(dict.fromkeys(dataset for dataset, _ in persona_sources())))
    results = persona_results(form.dataset_chosen())
    context = {
        "form": form,
        "inferred": results["inferred"],
        "accuracy": _panels(results["accuracy"], _accuracy_panel),
        "comparison": _panels(results["comparison"], _comparison_panel),
    }
    return render(request, "modelhub/persona_accuracy.html", context)


@read_view
def persona_words_page(request: HttpRequest) -> HttpResponse:
    """Show the words most telling of either side."""
    get_pipeline_reader(request)
    sources = persona_sources()
    form = WordsForm(request.GET, sources=sources)
    context: dict[str, Any] = {"form": form, "there": bool(sources)}
    if form.is_valid():
        asked = form.cleaned_data
        system = System.objects.filter(name=asked["system"]).first()
        if system:
            words = persona_words(asked["dataset"], system, min_count=asked["min_count"])
            context |= {"words": words, "sides": [(side.label, _words(words, side)) for side in Direction]}
    return render(request, "modelhub/persona_words.html", context)


def _panels(rows: list[dict[str, Any]], panel: Any) -> list[dict[str, Any]]:
    """Return a panel for each data set, judge and rubric, with its systems in it."""

    def place(row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(row[name] for name in ("dataset", "judge", "rubric"))

    grouped = groupby(sorted(rows, key=place), key=place)
    return [
        {"id": f"group-{number}", "dataset": dataset, "judge": judge, "rubric": rubric, **panel(list(members))}
        for number, ((dataset, judge, rubric), members) in enumerate(grouped, start=1)
    ]


def _accuracy_panel(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"plot": _accuracy_plot(rows), "lines": [line for row in rows for line in _lines(row)],
            "gaps": [_gap(row) for row in rows]}  # fmt: skip


def _accuracy_plot(rows: list[dict[str, Any]]) -> Plot:
    """Return a mark with its interval per system and direction; of two responses one is right, so chance is a half."""
    return share_plot([(row["system"], _estimates(row)) for row in rows])


def _estimates(row: dict[str, Any]) -> list[Estimate]:
    directions = ((side, row["directions"][side]) for side in (CHOSEN, REJECTED))
    return [
        Estimate(side, found["accuracy"], found["ci"], percent(found["accuracy"]), series)
        for series, (side, found) in enumerate(directions)
    ]


def _lines(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "system": row["system"],
            "direction": label,
            "n": found["n"],
            "accuracy": percent(found["accuracy"]),
            "ci": percent_interval(found["ci"]),
            "disagreement": percent(found["disagreement"]),
            "disagreeing": f"{found['disagreeing']} of {found['both_orders']}",
            "unscored": f"{found['unscored_answers']} ({found['unscored_personas']})",
        }
        for label, found in ((label, row["directions"][name]) for name, label in _DIRECTIONS.items())
    ]


def _gap(row: dict[str, Any]) -> dict[str, Any]:
    gap = row["gap"]
    return {
        "system": row["system"],
        "n": gap["n"],
        "chosen": percent(gap["chosen"]),
        "rejected": percent(gap["rejected"]),
        "gap": points(gap["gap"]),
        "ci": points_interval(gap["ci"]),
    }


def _comparison_panel(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "lines": [
            {
                "system": row["system"],
                "n": row["n"],
                "unscored": row["unscored"],
                "shares": [
                    (percent(row[side]["share"]), percent_interval(row[side]["ci"]))
                    for side in ("chosen", "tie", "rejected")
                ],
            }
            for row in rows
        ]
    }


def _words(words: Words, side: Direction) -> list[dict[str, Any]]:
    return [
        {
            "word": row["word"],
            "chosen": row["count_first"],
            "rejected": row["count_second"],
            "share": decimal(row["share"]),
            "ci": interval(row["ci"]),
        }
        for row in words.telling_of(side)[:WORDS_SHOWN]
    ]
