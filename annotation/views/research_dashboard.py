"""The dashboard: how a study goes, drawn and in tables, and alive while it runs."""

from collections import Counter
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation import queries
from annotation import queries_dashboard as dash
from annotation.controls.flags import participant_flags, rules_in_words
from annotation.errors import ServiceError
from annotation.export.querysets import participants_of
from annotation.export.scope import Scope
from annotation.forms import ExportForm
from annotation.http import form_view, get_study_for_researcher, read_view, request_user
from annotation.models import Study, StudyMember
from annotation.permissions import attached_role
from annotation.services import outputs
from plots.bars import BarRow, column_plot, row_plot


@read_view
def dashboard(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show the dashboard; htmx asks for its live part alone."""
    study = get_study_for_researcher(request, slug, version)
    scope = Scope.of(study, include_bots=ExportForm(request.GET).options()["include_bots"])
    template = "annotation/research/dashboard.html"
    if request.headers.get("HX-Request") == "true":
        template += "#live"
    return render(request, template, _context(request, study, scope))


@form_view("annotation:dashboard")
def outputs_retry(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Put the outputs that failed and can still be rated back into the queue."""
    study = get_study_for_researcher(request, slug, version)
    try:
        queued = outputs.outputs_retry(study=study, user=request_user(request))
    except ServiceError as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request,
            ngettext("%(count)s output back in the queue.", "%(count)s outputs back in the queue.", queued)
            % {"count": queued},
        )
    return redirect("annotation:dashboard", slug, version)


def _context(request: HttpRequest, study: Study, scope: Scope) -> dict[str, Any]:
    return {
        "study": study,
        "include_bots": len(scope.kinds) > 1,
        "now": scope.now,
        "failed": dash.failed_outputs(scope),
        "may_retry": attached_role(request_user(request), study) != StudyMember.Role.ANALYST,
        **_flow(scope),
        **_time(scope),
        **_items(request, scope),
        **_participants(request, scope),
        **_sides(scope),
        **_flags(scope),
    }


def _flow(scope: Scope) -> dict[str, Any]:
    flow = dash.study_flow(scope)
    rows = [BarRow(_(label), (number,), f"{number}") for label, number in flow.steps]
    return {"flow": flow, "flow_plot": row_plot(rows, maximum=flow.invited)}


def _time(scope: Scope) -> dict[str, Any]:
    counts = dash.ratings_over_time(scope)
    return {
        "time_counts": counts,
        "time_total": sum(number for _, number in counts),
        "time_plot": column_plot([(label[5:], number) for label, number in counts]),
    }


def _items(request: HttpRequest, scope: Scope) -> dict[str, Any]:
    page, items = queries.items_progress(scope, request.GET.get("items"))
    medians = dash.median_seconds(scope, owner="persona__item__key", among=[item.key for item in items])
    wanted = max((item.wanted for item in items), default=0)
    progress = [BarRow(item.key, (item.completed, item.live), _of(item.completed, item.wanted)) for item in items]
    return {
        "items_page": page,
        "items": [(item, medians.get(item.key)) for item in items],
        "items_plot": row_plot(progress, maximum=wanted),
        "items_time_plot": _times_plot([(item.key, medians.get(item.key)) for item in items]),
    }


def _participants(request: HttpRequest, scope: Scope) -> dict[str, Any]:
    page, people = queries.participants_progress(scope, request.GET.get("participants"))
    medians = dash.median_seconds(scope, owner="participant", among=[participant.pk for participant in page])
    times = [medians.get(participant.pk) for participant in page]
    planned = max((person.planned for person in people), default=0)
    rows = [
        BarRow(person.code, (person.assignments_completed,), _of(person.assignments_completed, person.planned))
        for person in people
    ]
    return {
        "participants_page": page,
        "participants": list(zip(people, times, strict=True)),
        "participants_plot": row_plot(rows, maximum=planned),
        "participants_time_plot": _times_plot([(p.code, time) for p, time in zip(people, times, strict=True)]),
    }


def _flags(scope: Scope) -> dict[str, Any]:
    if not scope.study.exclusion_rules:
        return {"flag_rules": []}
    flags = {pk: found for pk, found in participant_flags(scope.study).items() if found}
    flagged = participants_of(scope).filter(pk__in=flags).order_by("number")
    rules = Counter(flag.rule for participant in flagged for flag in flags[participant.pk])
    rows = [BarRow(rule.replace("_", " "), (rules[rule],), f"{rules[rule]}") for rule in scope.study.exclusion_rules]
    return {
        "flag_rules": rules_in_words(scope.study),
        "flagged": [(participant, flags[participant.pk]) for participant in flagged],
        "flags_plot": row_plot(rows, maximum=max(rules.values(), default=0)),
    }


def _times_plot(medians: list[tuple[str, float | None]]) -> Any:
    rows = [BarRow(label, (seconds or 0.0,), _duration(seconds)) for label, seconds in medians]
    return row_plot(rows, maximum=max((sum(row.parts) for row in rows), default=0))


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def _sides(scope: Scope) -> dict[str, Any]:
    sides = dash.side_balance(scope)
    rows = [BarRow(arm.code, (100 * arm.first_share,), f"{100 * arm.first_share:.0f} %") for arm in sides.arms]
    even = 100 / max(len(sides.arms), 1)
    count = len(sides.arms)
    numbered = [_("place %(number)s") % {"number": n + 1} for n in range(count)]
    places = [_("left"), _("right")] if count == 2 else numbered
    return {
        "sides": sides,
        "sides_even": even,
        "sides_places": places,
        "sides_plot": row_plot(rows, maximum=100, reference=even),
    }


def _of(done: int, wanted: int | None) -> str:
    return _("%(done)s of %(total)s") % {"done": done, "total": wanted}
