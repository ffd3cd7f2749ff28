"""Leaving the study: the page that explains it, and the receipt."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotation.errors import NotAllowedNow
from annotation.http import get_participant, to_page
from annotation.languages import speak
from annotation.models import Participant
from annotation.services.withdrawal import erasure_find, participant_erase, participant_withdraw, receipt_code
from annotation.study_texts import study_shown


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: HttpRequest, token: str) -> HttpResponse:
    """Explain what leaving means, and do what was chosen.

    The receipt of an erasure is the answer to the form and has no address of its own. A second click gets it again.
    """
    if request.method == "POST" and (erased := erasure_find(receipt=receipt_code(token))):
        speak(request, erased.study)
        return _receipt(request, erased)
    participant = get_participant(token)
    speak(request, participant.study, participant)
    choice = request.POST.get("choice")
    if choice == "keep":
        participant_withdraw(participant=participant)
    elif choice == "erase":
        return _erase(request, participant)
    elif request.method != "POST":
        return _page(request, participant)
    return to_page(participant)


def _page(request: HttpRequest, participant: Participant) -> HttpResponse:
    context = {"study": study_shown(participant.study), "participant": participant, "step": "leave"}
    return render(request, "annotation/participant/leave.html", context)


def _erase(request: HttpRequest, participant: Participant) -> HttpResponse:
    try:
        return _receipt(request, participant_erase(participant=participant))
    except NotAllowedNow:  # the other click of a double click was faster
        participant.refresh_from_db()
        return _receipt(request, participant)


def _receipt(request: HttpRequest, erased: Participant) -> HttpResponse:
    context = {
        "study": study_shown(erased.study),
        "step": "erased",
        "erased": erased,
        "counts": erased.tombstone["counts"],
        "files_cleaned": erased.tombstone["files_cleaned"],
        "backup_statement": _(settings.BACKUP_STATEMENT),  # that of the settings' default; others stay as they are
    }
    return render(request, "annotation/participant/erased.html", context)
