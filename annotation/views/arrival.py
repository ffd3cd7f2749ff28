"""Where a recruiting platform sends people. The address they arrive with holds their id there; no page ever does."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from annotation.errors import NotAllowedNow
from annotation.http import to_page
from annotation.languages import asked_language, speak
from annotation.models import OpenLink
from annotation.recruitment import wrong_parameters
from annotation.services.recruitment import participant_arrive
from annotation.study_texts import study_shown


@login_not_required
@require_GET
def arrive(request: HttpRequest, token: str) -> HttpResponse:
    """Let somebody in and send the browser to their own link, so that the ids leave the address bar at once."""
    link = get_object_or_404(OpenLink.objects.select_related("study"), token=token)
    speak(request, link.study)
    context = {"study": study_shown(link.study), "wrong": wrong_parameters(dict(request.GET.lists()))}
    if context["wrong"]:
        return render(request, "annotation/arrive.html", context, status=400)
    try:
        participant = participant_arrive(
            open_link=link,
            person=request.GET["PROLIFIC_PID"],
            session=request.GET["SESSION_ID"],
            language=asked_language(request, link.study),
        )
    except NotAllowedNow as error:
        return render(request, "annotation/arrive.html", {**context, "refusal": str(error)}, status=409)
    return to_page(participant)
