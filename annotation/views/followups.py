"""What participants add to their answers about one response or persona."""

from typing import Any, NamedTuple

from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from annotation.blinding import chips_name, text_name, version_name
from annotation.errors import NotAllowedNow, OutOfStep, ServiceError, StaleVersion
from annotation.http import participant_view, posted_text
from annotation.models import Assignment, Followup, Participant, Slot
from annotation.services.followups import asks_followup, followup_save, followup_version


class Dispute(NamedTuple):
    """A slot for which another tab has saved something else than this form holds: its field, and what is saved."""

    field: str
    saved: str


@participant_view("POST")
def save(request: HttpRequest, participant: Participant, slot_key: str) -> JsonResponse:
    """Keep what has been chosen and typed so far. JSON out: 200 saved, 409 another's stands, 422 refused, 403 over."""
    shown = Slot.objects.filter(assignment__participant=participant, assignment__shown_at__isnull=False)
    slot = get_object_or_404(shown.select_related("assignment"), key=slot_key)
    slot.assignment.participant = participant  # with the study and its questions at hand
    version = request.POST.get("version", "")
    try:
        followup = followup_save(slot=slot, version=version, **_typed(request, slot))
    except StaleVersion as error:
        assert error.current is None or isinstance(error.current, Followup)
        return JsonResponse({"message": str(error), **_saved(error.current)}, status=409)
    except OutOfStep as error:
        return JsonResponse({"message": str(error), "out_of_step": True}, status=409)
    except NotAllowedNow as error:
        return JsonResponse({"message": str(error)}, status=403)
    except ServiceError as error:
        return JsonResponse({"message": str(error)}, status=422)
    return JsonResponse(_saved(followup))


def followups_save_all(request: HttpRequest, assignment: Assignment) -> list[Dispute]:
    """Keep what the rating page's form holds beside the scales; return what another tab has saved differently since.

    Raises what else `followup_save` raises.
    """
    disputes = []
    for slot in _asked(assignment):
        slot.assignment = assignment
        version = request.POST.get(version_name(slot.key), "")
        try:
            followup_save(slot=slot, version=version, **_typed(request, slot))
        except StaleVersion as error:
            disputes.append(Dispute(text_name(slot.key), _in_words(error.current)))
    return disputes


def followups_typed(request: HttpRequest, assignment: Assignment) -> list[Followup]:
    """Return what the form holds, over the versions that stand: to be shown again, and sent again to be kept."""
    kept = {followup.slot_id: followup for followup in Followup.objects.filter(slot__assignment=assignment)}
    typed = []
    for slot in _asked(assignment):
        followup = Followup(slot=slot, **_typed(request, slot))
        if stands := kept.get(slot.pk):
            followup.saved_at = stands.saved_at
        typed.append(followup)
    return typed


def _asked(assignment: Assignment) -> list[Slot]:
    return [slot for slot in assignment.slots.all() if asks_followup(assignment.participant.study, slot)]


def _typed(request: HttpRequest, slot: Slot) -> dict[str, Any]:
    return {"chips": request.POST.getlist(chips_name(slot.key)), "text": posted_text(request, text_name(slot.key))}


def _saved(followup: Followup | None) -> dict[str, Any]:
    return {
        "chips": followup.chips if followup else [],
        "text": followup.text if followup else "",
        "version": followup_version(followup),
        "saved_at": followup.saved_at.isoformat() if followup else None,
    }


def _in_words(current: object) -> str:
    assert current is None or isinstance(current, Followup)
    parts = [*current.chips, current.text] if current else []
    return " · ".join(part for part in parts if part) or _("Nothing")
