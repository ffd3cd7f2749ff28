"""Erase one participant's data on their request, from their page."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from annotation.errors import ServiceError
from annotation.http import form_view, get_study_for_researcher, request_user
from annotation.services.withdrawal import participant_erase


@form_view("annotation:participant_change", "slug", "version", "number")
def participant_forget(request: HttpRequest, slug: str, version: int, number: int) -> HttpResponse:
    """Erase everything that a participant gave. It is asked about on a page of its own first: it cannot be undone."""
    study = get_study_for_researcher(request, slug, version)
    participant = get_object_or_404(study.participants.select_related("study"), number=number)
    context = {"study": study, "participant": participant}
    if "confirmed" not in request.POST:
        return render(request, "annotation/research/participant_erase.html", context)
    try:
        erased = participant_erase(participant=participant, user=request_user(request), action="participant_erase")
    except ServiceError as error:
        return render(
            request, "annotation/research/participant_erase.html", {**context, "problem": str(error)}, status=409
        )
    messages.success(
        request,
        _("The data of %(code)s are erased. Receipt: %(receipt)s")
        % {"code": participant.code, "receipt": erased.receipt},
    )
    return redirect("annotation:participant_change", slug, version, number)
