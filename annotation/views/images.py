"""Images of prompts, under a participant's link."""

from django.http import Http404, HttpRequest, HttpResponse

from annotation.http import participant_view
from annotation.models import ItemImage, Participant


@participant_view("GET", "HEAD")
def image(request: HttpRequest, participant: Participant, sha256: str) -> HttpResponse:
    """Send an image of the participant's study. Its address holds its hash, so that a browser may keep it for good."""
    found = ItemImage.objects.filter(item__study=participant.study_id, sha256=sha256).first()
    if found is None:
        raise Http404("The study has no such image.")
    response = HttpResponse(bytes(found.data), content_type=found.media_type)
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    response["X-Content-Type-Options"] = "nosniff"
    return response
