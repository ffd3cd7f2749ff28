"""What participants add to their answers about one response or persona."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from annotation.blinding import chips_name, text_name
from annotation.errors import NotAllowedNow, ServiceError
from annotation.http import participant_view
from annotation.models import Assignment, Followup, Participant, Slot
from annotation.services.followups import asks_followup, followup_save


@participant_view("POST")
def save(request: HttpRequest, participant: Participant, slot_key: str) -> HttpResponse:
    """Keep what has been chosen and typed so far (htmx), and say so."""
    shown = Slot.objects.filter(assignment__participant=participant, assignment__shown_at__isnull=False)
    slot = get_object_or_404(shown.select_related("assignment__participant__study"), key=slot_key)
    try:
        followup = _save(request, slot)
    except NotAllowedNow as error:
        return _said(request, 403, message=str(error))
    except ServiceError as error:
        return _said(request, 422, message=str(error))
    return _said(request, 200, saved_at=followup.saved_at if followup else None)


def followups_save_all(request: HttpRequest, assignment: Assignment) -> None:
    """Keep what the rating page's form holds beside the scales. Raises what `followup_save` raises."""
    for slot in assignment.slots.all():
        slot.assignment = assignment
        if asks_followup(assignment.participant.study, slot):
            _save(request, slot)


def _save(request: HttpRequest, slot: Slot) -> Followup | None:
    # Browsers send line breaks as \r\n; what was typed is \n.
    text = request.POST.get(text_name(slot.key), "").replace("\r\n", "\n")
    return followup_save(slot=slot, chips=request.POST.getlist(chips_name(slot.key)), text=text)


def _said(request: HttpRequest, status: int, **context: object) -> HttpResponse:
    return render(request, "annotation/participant/_followup_state.html", context, status=status)
