"""Let participants leave, with their data kept or erased, and finish what an interrupted erasure left to do."""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from annotation.errors import NotAllowedNow
from annotation.keys import code_from_bytes
from annotation.models import Event, Participant, User
from annotation.services.cleaning import deleted_text_clean
from annotation.services.erasure import data_erase, person_forget, rows_lock
from annotation.services.locks import study_lock
from annotation.services.log import audit_log, event_log
from annotation.services.tallies import participant_recount

logger = logging.getLogger(__name__)

RECEIPT_LENGTH = 12
# Erasures of a while share one cleaning, so that many of them cannot keep the database busy.
CLEAN_EVERY = timedelta(minutes=5)


def receipt_code(token: str) -> str:
    """Return the code of the receipt that a withdrawal by this link gives.

    It follows from the link, so that a second click gets the same receipt although the erased row knows no link any
    more; nobody without the server's secret can tell the link from it, or that the two belong together.
    """
    return code_from_bytes(salted_hmac("annotation.receipt", token, algorithm="sha256").digest(), RECEIPT_LENGTH)


def participant_withdraw(*, participant: Participant) -> None:
    """End the participation and keep the data. A second click changes nothing."""
    with transaction.atomic():
        study_lock(study_id=participant.study_id)
        here = Participant.objects.filter(pk=participant.pk, withdrawn_at__isnull=True)
        if here.update(withdrawn_at=timezone.now(), receipt=receipt_code(participant.token)):
            rows_lock(participant)
            participant_recount(participant=participant)
            event_log(participant=participant, kind=Event.Kind.WITHDRAWN)


def participant_erase(*, participant: Participant, user: User | None = None, action: str = "") -> Participant:
    """Erase the participant's data and return the tombstone that is left, with counts only.

    Everything in the database happens in one transaction, or nothing does. Then the files are cleaned of deleted
    text, unless that was done a moment ago: it costs a copy of the whole database, and one cleaning serves many
    erasures. Where it is still to be done, or fails, the tombstone says so and the worker sees to it. `action` is
    logged for an erasure by a researcher.

    Raises:
        NotAllowedNow: the data have been erased already.
    """
    receipt = receipt_code(participant.token)
    now = timezone.now()
    with transaction.atomic():
        study_lock(study_id=participant.study_id)
        here = Participant.objects.filter(pk=participant.pk, erased_at__isnull=True)
        if not here.update(erased_at=now, withdrawn_at=participant.withdrawn_at or now, receipt=receipt):
            raise NotAllowedNow(_("The data of %(code)s have been erased already.") % {"code": participant.code})
        tombstone = {"counts": data_erase(participant), "files_cleaned": False}
        person_forget(participant)
        Participant.objects.filter(pk=participant.pk).update(tombstone=tombstone)
        if action:
            audit_log(user=user, action=action, study=participant.study, participant=participant.code)
    # Outside the database, for whoever restores a backup that still holds them.
    logger.info("erased participant %s of %s", participant.code, participant.study)
    erasures_clean()
    return Participant.objects.select_related("study").get(pk=participant.pk)


def erasures_clean() -> int:
    """Clean the files as `erasures_finish` does, unless they were cleaned a moment ago; return how many still wait."""
    cleaned = Participant.objects.filter(erased_at__isnull=False, tombstone__files_cleaned=True)
    last = cleaned.order_by("-erased_at").values_list("tombstone__cleaned_at", flat=True).first()
    if last and timezone.now() - datetime.fromisoformat(last) < CLEAN_EVERY:
        return Participant.objects.filter(erased_at__isnull=False, tombstone__files_cleaned=False).count()
    return erasures_finish()


def erasures_finish() -> int:
    """Clean the files after all erasures that have not seen it; return how many still have not.

    One cleaning serves them all, whatever ended the process that began it.
    """
    waiting = Participant.objects.filter(erased_at__isnull=False, tombstone__files_cleaned=False)
    left = [(participant.pk, participant.tombstone) for participant in waiting]
    if not left or not deleted_text_clean():
        return len(left)
    for pk, tombstone in left:
        seen = {**tombstone, "files_cleaned": True, "cleaned_at": timezone.now().isoformat()}
        Participant.objects.filter(pk=pk).update(tombstone=seen)
    return 0


def erasure_find(*, receipt: str) -> Participant | None:
    """Return the tombstone that a receipt names, if there is one."""
    erased = Participant.objects.filter(erased_at__isnull=False).exclude(receipt="")
    return erased.select_related("study").filter(receipt=receipt).first()
