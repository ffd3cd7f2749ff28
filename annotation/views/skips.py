"""Warnings before an item, and passing over a part with a reason."""

from django.http import HttpRequest, HttpResponse

from annotation.errors import NotAllowedNow, ServiceError
from annotation.flow import Step
from annotation.http import get_assignment, participant_view, to_page
from annotation.models import Participant
from annotation.services.places import participant_place
from annotation.services.skips import WARNING_REASON, assignment_skip, assignment_warned
from annotation.views.pages import render_place

_SKIPPABLE = frozenset({Step.WARNING, Step.WRITE, Step.RATE})
OWN_WORDS = "own"


@participant_view("POST")
def warned(request: HttpRequest, participant: Participant, key: str) -> HttpResponse:
    """Note that the warning has been read and the item is wanted."""
    assignment = get_assignment(participant, key)
    place = participant_place(participant=participant, at_hand=assignment)
    if place.step == Step.WARNING and place.assignment == assignment:
        assignment_warned(assignment=assignment)
    return to_page(participant)


@participant_view("POST")
def skip(request: HttpRequest, participant: Participant, key: str) -> HttpResponse:
    """Pass over this part and go on with another."""
    assignment = get_assignment(participant, key)
    place = participant_place(participant=participant, at_hand=assignment)
    if place.step not in _SKIPPABLE or place.assignment != assignment:
        return to_page(participant)
    try:
        assignment_skip(assignment=assignment, reason=_reason(request, place.step))
    except NotAllowedNow:
        pass  # done in another tab, or the study is not running: the page says which
    except ServiceError as error:
        typed = {"skip_choice": request.POST.get("reason", ""), "skip_own": request.POST.get("own", "")}
        return render_place(request, participant, place, status=422, skip_error=str(error), **typed)
    return to_page(participant)


def _reason(request: HttpRequest, step: Step) -> str:
    """Return the reason given: one of the study's, by number, or the person's own words."""
    if step == Step.WARNING:
        return WARNING_REASON
    chosen = request.POST.get("reason", "")
    return request.POST.get("own", "") if chosen in ("", OWN_WORDS) else chosen
