"""Researchers' pages: their studies, and one study as it runs."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotation import queries
from annotation.dryrun import stored_dry_run
from annotation.errors import ServiceError
from annotation.export.scope import Scope
from annotation.forms import ExportForm, StateForm
from annotation.http import form_view, get_researcher, get_study_for_researcher, read_view, request_user
from annotation.models import Study, StudyMember
from annotation.overview.facts import study_overview
from annotation.permissions import attached_role
from annotation.protocol import problems_before_opening
from annotation.services import previews, studies

ACTIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "open": (studies.study_open, gettext_noop("The study is open: its links work.")),
    "pause": (
        studies.study_pause,
        gettext_noop("The study is paused: participants keep their place and see that it is paused."),
    ),
    "close": (studies.study_close, gettext_noop("The study is closed.")),
}


@read_view
def study_list(request: HttpRequest) -> HttpResponse:
    """Show the studies that are the researcher's own or shared with them."""
    found = queries.studies_of(get_researcher(request))
    return render(request, "annotation/research/study_list.html", {"studies": found})


@read_view
def study(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show one study; htmx asks for its progress part alone."""
    found = get_study_for_researcher(request, slug, version)
    if request.headers.get("HX-Request") == "true":
        return render(request, "annotation/research/study.html#progress", progress_context(request, found))
    return _study_page(request, found)


@form_view("annotation:study")
def study_state(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Open, pause or close a study. Closing is final, so it is asked about on a page of its own first."""
    found = get_study_for_researcher(request, slug, version)
    form = StateForm(request.POST)
    if not form.is_valid():
        return _study_page(request, found, problems=[_("Choose one of: open, pause, close.")], status=422)
    action = form.cleaned_data["action"]
    if action == "close" and not form.cleaned_data["confirmed"]:
        return render(request, "annotation/research/study_close.html", {"study": found})
    change, done = ACTIONS[action]
    try:
        change(study=found, user=request_user(request))
    except ServiceError as error:
        found.refresh_from_db()
        return _study_page(request, found, problems=_reasons(error), status=409)
    messages.success(request, _(done))
    return redirect("annotation:study", slug, version)


@form_view("annotation:study")
def preview(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Start a preview and go to its first page, which is the participant's own."""
    found = get_study_for_researcher(request, slug, version)
    try:
        participant = previews.preview_start(study=found, user=request_user(request))
    except ServiceError as error:
        return _study_page(request, found, problems=_reasons(error), status=409)
    return redirect("annotation:participant", participant.token)


def _reasons(error: ServiceError) -> list[str]:
    """Return the reasons one by one: a message of several lines is a heading and its list."""
    first, *rest = str(error).splitlines()
    return [line.removeprefix("- ") for line in rest] or [first]


def _study_page(
    request: HttpRequest, found: Study, *, problems: list[str] | None = None, status: int = 200
) -> HttpResponse:
    is_draft = found.state == Study.State.DRAFT
    context = {
        **progress_context(request, found),
        "problems": problems or [],
        "may_run": attached_role(request_user(request), found) != StudyMember.Role.ANALYST,
        "dry_run": stored_dry_run(found) if is_draft else None,
    }
    return render(request, "annotation/research/study.html", context, status=status)


def progress_context(request: HttpRequest, found: Study) -> dict[str, Any]:
    """Return what the part that renews itself shows."""
    include_bots = ExportForm(request.GET).options()["include_bots"]
    scope = Scope.of(found, include_bots=include_bots)
    return {
        "study": found,
        "include_bots": include_bots,
        "overview": study_overview(scope),
        "in_the_way": problems_before_opening(found) if found.state == Study.State.DRAFT else [],
        "now": scope.now,
    }
