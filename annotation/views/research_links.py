"""Participant links: personal ones, and open ones with a cap. Links are text here and, once, where one is replaced."""

import csv

import segno
from django.contrib import messages
from django.core.paginator import Paginator
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotation import queries
from annotation.errors import ServiceError
from annotation.forms import InvitationsForm, OpenLinkForm, ParticipantsForm
from annotation.http import form_view, get_study_to_run, read_view, request_user
from annotation.models import OpenLink, Participant, Study
from annotation.peoplefiles import read_invitations
from annotation.services import openlinks, recruitment
from annotation.services import participants as services
from annotation.services.entrance import links_standing
from annotation.services.log import look_log

PAGE_SIZE = 100


@read_view
def participant_links(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """List the study's links, with the forms that make more."""
    return _links_page(request, get_study_to_run(request, slug, version))


@read_view
def participant_links_csv(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Download id, code and link of every personal invitation, for mail merge; logged."""
    study = get_study_to_run(request, slug, version)
    invited = queries.personal_links(study)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{study.slug}-v{study.version}-links.csv"'
    writer = csv.writer(response)
    writer.writerow(["id", "code", "link"])
    writer.writerows([person.external_id, person.code, _personal_link(request, person)] for person in invited)
    look_log(user=request_user(request), action="links_download", study=study, links=len(invited))
    return response


@form_view("annotation:participant_links")
def participants_create(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Make personal links."""
    study = get_study_to_run(request, slug, version)
    form = ParticipantsForm(request.POST)
    if not form.is_valid():
        return _links_page(request, study, personal_form=form, status=422)
    try:
        made = services.participants_create(study=study, count=form.cleaned_data["count"], user=request_user(request))
    except ServiceError as error:
        return _links_page(request, study, problem=str(error), status=409)
    codes = (
        made[0].code if len(made) == 1 else _("%(first)s to %(last)s") % {"first": made[0].code, "last": made[-1].code}
    )
    messages.success(request, _("Made %(codes)s.") % {"codes": codes})
    return redirect("annotation:participant_links", slug, version)


@form_view("annotation:participant_links")
def participants_invite(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Make personal links for the people of an uploaded list."""
    study = get_study_to_run(request, slug, version)
    form = InvitationsForm(request.POST, request.FILES)
    if not form.is_valid():
        return _links_page(request, study, invitations_form=form, status=422)
    try:
        ids = read_invitations(form.cleaned_data["people"].read())
    except ServiceError as error:
        return _links_page(request, study, problem=str(error), status=422)
    try:
        people = recruitment.participants_invite(study=study, ids=ids, user=request_user(request))
    except ServiceError as error:
        return _links_page(request, study, problem=str(error), status=409)
    messages.success(
        request, _("People of the list who have a link: %(count)s. Download them all as CSV.") % {"count": len(people)}
    )
    return redirect("annotation:participant_links", slug, version)


@form_view("annotation:participant_links")
def open_link_create(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Make one link that many may follow."""
    study = get_study_to_run(request, slug, version)
    form = OpenLinkForm(request.POST)
    if not form.is_valid():
        return _links_page(request, study, open_form=form, status=422)
    try:
        openlinks.open_link_create(study=study, terms=form.terms(), user=request_user(request))
    except ServiceError as error:
        return _links_page(request, study, open_form=form, problem=str(error), status=409)
    messages.success(request, _("Made an open link."))
    return redirect("annotation:participant_links", slug, version)


@require_http_methods(["GET", "HEAD", "POST"])
def open_link(request: HttpRequest, slug: str, version: int, pk: int) -> HttpResponse:
    """Show the terms of an open link, and change them."""
    study = get_study_to_run(request, slug, version)
    link = get_object_or_404(study.open_links, pk=pk)
    form = OpenLinkForm(request.POST) if request.method == "POST" else OpenLinkForm.of(link)
    address = _open_address(request, link)
    # Prolific's people come by an address with their ids, which no picture can hold.
    picture = (
        None if study.recruitment.get("prolific") else segno.make(address).svg_inline(scale=5, border=4, omitsize=False)
    )
    context = {"study": study, "link": link, "address": address, "form": form, "picture": picture}
    if request.method != "POST":
        return render(request, "annotation/research/open_link.html", context)
    if not form.is_valid():
        return render(request, "annotation/research/open_link.html", context, status=422)
    try:
        openlinks.open_link_change(open_link=link, terms=form.terms(), user=request_user(request))
    except ServiceError as error:
        return render(request, "annotation/research/open_link.html", {**context, "problem": str(error)}, status=409)
    messages.success(request, _("Changed the open link. Who has a place keeps it."))
    return redirect("annotation:participant_links", slug, version)


@read_view
def open_link_picture(request: HttpRequest, slug: str, version: int, pk: int) -> HttpResponse:
    """Download the open link as a QR code, for a notice or a slide."""
    study = get_study_to_run(request, slug, version)
    link = get_object_or_404(study.open_links, pk=pk)
    drawn = segno.make(_open_address(request, link)).svg_inline(scale=10, border=4)
    # As a file of its own it has to say what it is.
    picture = drawn.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    response = HttpResponse(picture, content_type="image/svg+xml")
    response["Content-Disposition"] = f'attachment; filename="{study.slug}-v{study.version}-link-{link.pk}.svg"'
    return response


@form_view("annotation:participant_links")
def open_link_deactivate(request: HttpRequest, slug: str, version: int, pk: int) -> HttpResponse:
    """Stop an open link from letting more people in."""
    study = get_study_to_run(request, slug, version)
    link = get_object_or_404(study.open_links, pk=pk)
    openlinks.open_link_deactivate(open_link=link, user=request_user(request))
    messages.success(request, _("Switched the open link off. Who joined by it goes on."))
    return redirect("annotation:participant_links", slug, version)


def _links_page(
    request: HttpRequest,
    study: Study,
    *,
    personal_form: Form | None = None,
    open_form: Form | None = None,
    invitations_form: Form | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    page = Paginator(queries.personal_links(study), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "study": study,
        "page": page,
        "links": [
            (participant, queries.participant_state(participant), _personal_link(request, participant))
            for participant in page
        ],
        "open_links": [
            (link, _open_address(request, link), taken, lately)
            for link, taken, lately in links_standing(list(study.open_links.select_related("study").order_by("pk")))
        ],
        "personal_form": personal_form or ParticipantsForm(),
        "open_form": open_form or OpenLinkForm(),
        "invitations_form": invitations_form or InvitationsForm(),
        "problem": problem,
    }
    return render(request, "annotation/research/links.html", context, status=status)


def _open_address(request: HttpRequest, link: OpenLink) -> str:
    entrance = "arrive" if link.study.recruitment.get("prolific") else "join"
    return request.build_absolute_uri(reverse(f"annotation:{entrance}", args=[link.token]))


def _personal_link(request: HttpRequest, participant: Participant) -> str:
    return request.build_absolute_uri(reverse("annotation:participant", args=[participant.token]))
