"""The analysts' pages of runs: a list that is alive while something runs, and each run with what it made."""

import json
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from annotation.http import read_view
from annotation.models import User
from annotation.services.log import look_log
from modelhub.forms import RunForm
from modelhub.http import get_pipeline_reader
from modelhub.models import Run
from modelhub.queries.runs import (
    ROWS_PER_PAGE,
    found_runs,
    known_stages,
    made_by,
    made_rows,
    progress_of,
    studies_with_runs,
    visible_runs,
)
from modelhub.queries.training import is_training, training_shown


@read_view
def runs(request: HttpRequest) -> HttpResponse:
    """List the runs, newest first; htmx asks for the list alone while one of them is running."""
    user = get_pipeline_reader(request)
    form = RunForm(request.GET, stages=known_stages(user), studies=studies_with_runs(user))
    page = found_runs(user, form.search(), request.GET.get("page"))
    rows = progress_of(page)
    context = {"form": form, "page": page, "rows": rows, "alive": any(row.is_running for row in rows)}
    return _live(request, "modelhub/runs.html", context)


@read_view
def run(request: HttpRequest, key: str) -> HttpResponse:
    """Show one run with all that was recorded of it. A look at a study's run is logged: it names systems."""
    user = get_pipeline_reader(request)
    found = get_object_or_404(visible_runs(user), key=key)
    part = _is_part(request)
    if found.study and not part:
        look_log(user=user, action="run_seen", study=found.study, run=found.key)
    (progress,) = progress_of([found])
    context: dict[str, Any] = {"run": found, "row": progress, "alive": progress.is_running}
    if not part:
        context |= {**_recorded(found), **_made(request, found, user)}
        context["training"] = training_shown(found) if is_training(found) else None
    return _live(request, "modelhub/run.html", context)


def _recorded(found: Run) -> dict[str, Any]:
    return {
        "arguments": _facts(found.arguments),
        "usage": _facts(found.usage),
        "packages": sorted(found.provenance.get("packages", {}).items()),
        "git": found.provenance.get("git", {}),
        "process": found.provenance.get("process", {}),
    }


def _facts(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Return names and values as they are read: words as they stand, nothing as "", the rest as JSON."""
    return [(name.replace("_", " "), _read(value)) for name, value in values.items()]


def _read(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value in (None, [], {}) else json.dumps(value, ensure_ascii=False)


def _made(request: HttpRequest, found: Run, user: User) -> dict[str, Any]:
    kinds = made_by(found, user)
    counts = {kind: rows.count() for kind, rows in kinds.items()}
    there = [(kind, number) for kind, number in counts.items() if number]
    kind = request.GET.get("rows", "")
    if not counts.get(kind):
        kind = there[0][0] if there else "pairs"
    page = Paginator(kinds[kind], ROWS_PER_PAGE).get_page(request.GET.get("page"))
    return {"kinds": there, "kind": kind, "page": page, "made": made_rows(kind, page)}


def _live(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    response = render(request, f"{template}#live" if _is_part(request) else template, context)
    response["Vary"] = "HX-Request"
    return response


def _is_part(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"
