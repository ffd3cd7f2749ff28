"""The analysts' pages of preference pairs: to find one, and to see what was inferred from it and what judges said."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from annotation.http import read_view
from modelhub.forms import PairForm
from modelhub.http import get_pipeline_reader
from modelhub.models import PreferencePair
from modelhub.queries.pairs import (
    found_pairs,
    inferring_systems,
    known_splits,
    neighbours,
    pair_rows,
    personas_by_system,
    retrieved_for,
)


@read_view
def pairs(request: HttpRequest) -> HttpResponse:
    """List the pairs that match a search, with the personas that one system inferred from them."""
    get_pipeline_reader(request)
    form = PairForm(request.GET, splits=known_splits(), systems=inferring_systems())
    search = form.search()
    page = found_pairs(search, request.GET.get("page"))
    context = {"form": form, "page": page, "rows": pair_rows(list(page), search.system), "system": search.system}
    return render(request, "modelhub/pairs.html", context)


@read_view
def pair(request: HttpRequest, number: int) -> HttpResponse:
    """Show a pair: responses, personas, flags, verdicts in both orders, and what was retrieved for it.

    What judges wrote is shown for one system's personas at a time, by default the first's: with many systems and judges
    it would outweigh everything else.
    """
    get_pipeline_reader(request)
    found = get_object_or_404(PreferencePair.objects.select_related("run"), pk=number)
    before, after = neighbours(found)
    inferred = personas_by_system(found)
    names = [one.system.name for one in inferred]
    asked = request.GET.get("system", "")
    context: dict[str, Any] = {
        "pair": found,
        "inferred": inferred,
        "opened": asked if asked in names else next(iter(names), ""),
        "retrieved": retrieved_for(found),
        "before": before,
        "after": after,
    }
    return render(request, "modelhub/pair.html", context)
