"""The participants page, what can be done about one participant, and the log of all actions."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotation.controls.flags import participant_flags
from annotation.errors import ServiceError
from annotation.forms import ReasonForm, SearchForm
from annotation.http import form_view, get_study_for_researcher, get_study_to_run, read_view, request_user
from annotation.models import Participant, Study, StudyMember
from annotation.permissions import attached_role
from annotation.queries import participant_state, progress_of
from annotation.queries_participants import found_actions, found_participants, known_actions
from annotation.queries_way import participant_way
from annotation.services import exclusions
from annotation.services import participants as services


@read_view
def participants(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """List the participants that match a search. Labels from outside are for those who run the study."""
    study = get_study_for_researcher(request, slug, version)
    may_change = _may_change(request, study)
    form = SearchForm(request.GET)
    page = found_participants(study, form.search(), by_label=may_change, page=request.GET.get("page"))
    context = {
        "study": study,
        "form": form,
        "page": page,
        "rows": list(zip(page, progress_of(study, [participant.pk for participant in page]), strict=True)),
        "may_change": may_change,
    }
    return render(request, "annotation/research/participants.html", context)


@read_view
def participant_seen(request: HttpRequest, slug: str, version: int, number: int) -> HttpResponse:
    """Show one participant's way: steps, parts with every answer, questionnaires and flags. Changes nothing."""
    study = get_study_for_researcher(request, slug, version)
    participant = _participant(study, number)
    context = {
        "study": study,
        "participant": participant,
        "state": participant_state(participant),
        "may_change": _may_change(request, study),
        "way": participant_way(participant),
        "flags": participant_flags(study)[participant.pk],
    }
    return render(request, "annotation/research/participant_seen.html", context)


@read_view
def participant_change(request: HttpRequest, slug: str, version: int, number: int) -> HttpResponse:
    """Show one participant with what can be done."""
    return _participant_page(request, _participant(get_study_to_run(request, slug, version), number))


@form_view("annotation:participant_change", "slug", "version", "number")
def participant_exclude(request: HttpRequest, slug: str, version: int, number: int) -> HttpResponse:
    """Leave a participant out, for a reason."""
    return _decide(request, slug, version, number, exclusions.participant_exclude, gettext_noop("Excluded %(code)s."))


@form_view("annotation:participant_change", "slug", "version", "number")
def participant_include(request: HttpRequest, slug: str, version: int, number: int) -> HttpResponse:
    """Take a participant back in, for a reason."""
    return _decide(
        request, slug, version, number, exclusions.participant_include, gettext_noop("%(code)s is included again.")
    )


@form_view("annotation:participant_change", "slug", "version", "number")
def participant_link_replace(request: HttpRequest, slug: str, version: int, number: int) -> HttpResponse:
    """Make a new link and show it once, on this page."""
    participant = _participant(get_study_for_researcher(request, slug, version), number)
    try:
        services.participant_link_replace(participant=participant, user=request_user(request))
    except ServiceError as error:
        return _participant_page(request, participant, problem=str(error), status=409)
    participant.refresh_from_db()
    path = reverse("annotation:participant", args=[participant.token])
    return _participant_page(request, participant, new_link=request.build_absolute_uri(path))


@read_view
def audit(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show the log of all actions on a study."""
    study = get_study_for_researcher(request, slug, version)
    action = request.GET.get("action", "")
    context = {
        "study": study,
        "action": action,
        "known": known_actions(study),
        "page": found_actions(study, action, request.GET.get("page")),
    }
    return render(request, "annotation/research/audit.html", context)


def _decide(
    request: HttpRequest, slug: str, version: int, number: int, decide: Callable[..., None], done: str
) -> HttpResponse:
    participant = _participant(get_study_for_researcher(request, slug, version), number)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _participant_page(request, participant, form=form, status=422)
    try:
        decide(participant=participant, reason=form.cleaned_data["reason"], user=request_user(request))
    except ServiceError as error:
        return _participant_page(request, participant, problem=str(error), status=409)
    messages.success(request, _(done) % {"code": participant.code})
    return redirect("annotation:participant_change", slug, version, number)


def _participant_page(
    request: HttpRequest, participant: Participant, *, form: ReasonForm | None = None, status: int = 200, **extra: Any
) -> HttpResponse:
    context = {
        "study": participant.study,
        "participant": participant,
        "state": participant_state(participant),
        "form": form or ReasonForm(),
        "erased_counts": [(name.replace("_", " "), n) for name, n in participant.tombstone.get("counts", {}).items()],
        **extra,
    }
    return render(request, "annotation/research/participant_change.html", context, status=status)


def _participant(study: Study, number: int) -> Participant:
    return get_object_or_404(study.participants.select_related("study"), number=number)


def _may_change(request: HttpRequest, study: Study) -> bool:
    return attached_role(request_user(request), study) != StudyMember.Role.ANALYST
