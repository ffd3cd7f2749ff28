"""Images of prompts: under a participant's link, and for whoever may look at the study."""

from django.http import Http404, HttpRequest, HttpResponse

from annotation.http import get_study_for_researcher, participant_view, read_view
from annotation.models import Participant, StudyImage

# Opened by itself, an image stands on a page of the browser's own, which styles it; nothing else may be there.
OF_IMAGES = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"


@participant_view("GET", "HEAD")
def image(request: HttpRequest, participant: Participant, sha256: str) -> HttpResponse:
    """Send an image of the participant's study."""
    return _sent(participant.study_id, sha256)


@read_view
def study_image(request: HttpRequest, slug: str, version: int, sha256: str) -> HttpResponse:
    """Send an image of a study to its researchers."""
    return _sent(get_study_for_researcher(request, slug, version).pk, sha256)


def _sent(study: int, sha256: str) -> HttpResponse:
    """Send an image. Its address holds its hash, so that a browser may keep it for good."""
    found = StudyImage.objects.filter(study=study, sha256=sha256).first()
    if found is None:
        raise Http404("The study has no such image.")
    response = HttpResponse(bytes(found.data), content_type=found.media_type)
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = OF_IMAGES
    return response
