"""The analysts' pages of systems: what they are, what they made, and what they answered, side by side."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from annotation.http import read_view
from annotation.services.log import look_log
from modelhub.forms import OutputsForm
from modelhub.http import get_pipeline_reader
from modelhub.models import System
from modelhub.queries.systems import (
    bindings_of,
    counts_of,
    found_outputs,
    found_systems,
    output_counts,
    output_groups,
    side_by_side,
)


@read_view
def systems(request: HttpRequest) -> HttpResponse:
    """List the registered systems with what they made."""
    get_pipeline_reader(request)
    page = found_systems(request.GET.get("page"))
    return render(request, "modelhub/systems.html", {"page": page})


@read_view
def system(request: HttpRequest, number: int) -> HttpResponse:
    """Show one system. A look at it is logged with every study in which it stands behind an arm."""
    user = get_pipeline_reader(request)
    found = get_object_or_404(System, pk=number)
    bindings = bindings_of(found, user)
    for study in {binding.arm.study for binding in bindings}:
        # Without its name: people who are blinded in the study may read its log.
        look_log(user=user, action="system_seen", study=study)
    context: dict[str, Any] = {
        "system": found,
        "decoding": _facts(found.decoding),
        "options": _facts(found.options),
        "bindings": bindings,
        "made": output_counts(found),
        **counts_of(found),
    }
    return render(request, "modelhub/system.html", context)


@read_view
def outputs(request: HttpRequest) -> HttpResponse:
    """Show what two to four systems answered to the same pairs, unblinded."""
    get_pipeline_reader(request)
    form = OutputsForm(request.GET, groups=output_groups())
    search = form.search()
    context: dict[str, Any] = {"form": form, "search": search}
    if search is not None:
        page = found_outputs(search, request.GET.get("page"))
        context |= {"page": page, "rows": side_by_side(list(page), search)}
    return render(request, "modelhub/outputs.html", context)


def _facts(values: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (name.replace("_", " "), value if isinstance(value, str) and "\n" not in value else json.dumps(value))
        for name, value in values.items()
    ]
