"""What a study shows people, for researchers to look through: texts, items, and outputs side by side."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from annotation.dryrun import stored_dry_run
from annotation.export import FORMATS
from annotation.export.others import OTHER_FORMATS
from annotation.export.scope import Scope
from annotation.export.tables import study_tables
from annotation.forms import ExportForm, ItemsForm, SideBySideForm
from annotation.http import get_study_for_researcher, read_view
from annotation.languages import language_choices, languages_of
from annotation.protocol import definition_of
from annotation.queries_content import found_items, found_personas, strata_of
from annotation.sampleviews import PAGES, pages_of
from annotation.views.research_make_preview import page_document


@read_view
def study_texts(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show the definition, and a participant's pages as participants see them, one at a time."""
    study = get_study_for_researcher(request, slug, version)
    definition = definition_of(study)
    there, languages = pages_of(definition), languages_of(study)
    page, language = request.GET.get("shows", ""), request.GET.get("language", "")
    page = page if page in there else there[0]
    language = language if language in languages else languages[0]
    context = {
        "study": study,
        "arms": study.arms.order_by("code"),
        "dry_run": stored_dry_run(study),
        "pages": [(name, PAGES[name], name == page) for name in there],
        "page": page,
        "choices": language_choices(languages),
        "language": language,
        "preview": page_document(request, study, definition, page, language),
    }
    return render(request, "annotation/research/study_texts.html", context)


@read_view
def items(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """List the items that match a search, with how often they were rated."""
    study = get_study_for_researcher(request, slug, version)
    form = ItemsForm(request.GET, strata=strata_of(study))
    page, rows = found_items(Scope.of(study, include_bots=False), **form.found(), page=request.GET.get("page"))
    context = {"study": study, "form": form, "page": page, "rows": rows}
    return render(request, "annotation/research/items.html", context)


@read_view
def outputs(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show the outputs of each persona side by side, by the arms' codes."""
    study = get_study_for_researcher(request, slug, version)
    form = SideBySideForm(request.GET)
    page, rows = found_personas(Scope.of(study, include_bots=False), **form.found(), page=request.GET.get("page"))
    context = {"study": study, "form": form, "page": page, "rows": rows}
    return render(request, "annotation/research/outputs.html", context)


@read_view
def exports(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """List every table of the export in every format."""
    study = get_study_for_researcher(request, slug, version)
    include_bots = ExportForm(request.GET).options()["include_bots"]
    context = {
        "study": study,
        "include_bots": include_bots,
        "now": Scope.of(study, include_bots=include_bots).now,
        "tables": list(study_tables(study).values()),
        "formats": FORMATS,
        "other_formats": OTHER_FORMATS,
    }
    return render(request, "annotation/research/exports.html", context)
