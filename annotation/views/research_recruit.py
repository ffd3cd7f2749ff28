"""Recruiting on Prolific, step by step: what to paste there, a try, what it says of people, and what they are due."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import ngettext

from annotation.errors import ServiceError
from annotation.forms import PayForm, SubmissionsForm
from annotation.http import form_view, get_study_to_run, get_study_with_key, read_view, request_user
from annotation.models import OpenLink, Participant, Study
from annotation.peoplefiles import read_submissions
from annotation.permissions import may_have_key
from annotation.queries_recruitment import LISTS, list_rows, pay_of, standing, worked
from annotation.recruitment import PARAMETERS
from annotation.services.log import look_log
from annotation.services.recruitment import submissions_sync
from annotation.testarrivals import test_person

# What Prolific puts in place of them; the braces must reach it as they are.
_PLACEHOLDERS = "&".join(f"{name}={{{{%{name}%}}}}" for name in PARAMETERS)
STATES = (
    Participant.PlatformState.ACTIVE,
    Participant.PlatformState.COMPLETED,
    Participant.PlatformState.SCREENED_OUT,
    Participant.PlatformState.NO_CONSENT,
    Participant.PlatformState.OVER_QUOTA,
    Participant.PlatformState.RETURNED,
    Participant.PlatformState.TIMED_OUT,
)


@dataclass(frozen=True)
class Entrance:
    """An open link as it is given to Prolific, and the address of one try."""

    link: OpenLink
    address: str
    attempt: str


@read_view
def recruit(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show what Prolific has to be told, and how people from there stand."""
    return _page(request, get_study_to_run(request, slug, version))


@form_view("annotation:recruit")
def recruit_sync(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Take in the submissions that Prolific exports."""
    study = get_study_to_run(request, slug, version)
    form = SubmissionsForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, study, form=form, status=422)
    try:
        submissions = read_submissions(form.cleaned_data["submissions"].read())
        effects = submissions_sync(study=study, submissions=submissions, user=request_user(request))
    except ServiceError as error:
        return _page(request, study, form=form, problem=str(error), status=422)
    said = ngettext("%(count)d submission read.", "%(count)d submissions read.", len(submissions))
    found = "; ".join(f"{effect.replace('_', ' ')}: {rows}" for effect, rows in sorted(effects.items()))
    messages.success(request, f"{said % {'count': len(submissions)}} {found}".strip())
    return redirect("annotation:recruit", slug, version)


@read_view
def recruit_list(request: HttpRequest, slug: str, version: int, name: str) -> HttpResponse:
    """Download a list of Prolific ids. They say who is whom, so it is for those who may have the key; logged."""
    study = get_study_with_key(request, slug, version)
    if name not in LISTS:
        raise Http404("There is no such list.")
    rows = list(list_rows(study, name, **PayForm(request.GET).amounts()))
    look_log(user=request_user(request), action="recruitment_list", study=study, list=name, people=len(rows))
    response = HttpResponse("".join(f"{row}\n" for row in rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{study.slug}-v{study.version}-{name}.csv"'
    return response


def _page(
    request: HttpRequest,
    study: Study,
    *,
    form: SubmissionsForm | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    pay_form = PayForm(request.GET)
    amounts = pay_form.amounts()
    people = worked(study)
    counts = standing(study)
    query = urlencode({name: str(value) for name, value in amounts.items() if value is not None})
    context: dict[str, Any] = {
        "study": study,
        "problem": problem,
        "codes": study.recruitment.get("prolific", {}),
        "is_signed": bool(study.recruitment.get("prolific", {}).get("signed")),
        "entrances": list(_entrances(request, study)),
        "counts": [(state.label, counts[state]) for state in STATES],
        "form": form or SubmissionsForm(),
        "pay_form": pay_form,
        "pay": pay_of(people, amounts["reward"]),
        "people": people,
        "list_query": f"?{query}" if query else "",
        "has_key": may_have_key(request_user(request), study),
    }
    return render(request, "annotation/research/recruit.html", context, status=status)


def _entrances(request: HttpRequest, study: Study) -> Iterable[Entrance]:
    for link in study.open_links.filter(is_active=True).order_by("pk"):
        bare = request.build_absolute_uri(reverse("annotation:arrive", args=[link.token]))
        ids = {"PROLIFIC_PID": test_person(link), "STUDY_ID": "preview-of-the-study", "SESSION_ID": "preview-session"}
        yield Entrance(link, f"{bare}?{_PLACEHOLDERS}", f"{bare}?{urlencode(ids)}")
