"""Keep what participants add to their answers about one response or persona."""

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.errors import OutOfStep, ServiceError, StaleVersion
from annotation.models import Assignment, Followup, Slot, Study
from annotation.services.text import answer_text
from annotation.services.touch import assignment_touch
from annotation.steps import is_before_persona

KINDS = (Slot.Kind.OUTPUT, Slot.Kind.PERSONA)
NOTHING_SEEN = ""


def followup_save(*, slot: Slot, chips: Sequence[str], text: str, version: str) -> Followup | None:
    """Keep the chosen chips, in the study file's order, and the text as typed; None where there is nothing to keep.

    `version` is that of what the page has seen, see `followup_version`. Sent twice it changes nothing; what was there
    before is replaced.

    Raises:
        ServiceError: the study asks no such thing about this slot, or the text cannot be stored.
        OutOfStep: the persona has not been shown yet.
        StaleVersion: another tab saved something else since; `current` is that.
        NotAllowedNow: the assignment is finished, or the study is closed.
    """
    chosen, text = _checked(slot, chips, text)
    with transaction.atomic():
        assignment_touch(assignment=slot.assignment)
        # From here on no other request for this assignment runs; see rating_save.
        current = Followup.objects.filter(slot=slot).first()
        if (chosen, text) == ((current.chips, current.text) if current else ([], "")):
            return current
        if version != followup_version(current):
            raise StaleVersion(_("Another tab or device saved something else here."), current=current)
        return Followup.objects.update_or_create(slot=slot, defaults={"chips": chosen, "text": text})[0]


def followup_version(followup: Followup | None) -> str:
    """Return what names this state of a slot's addition: each save gives it another."""
    return followup.saved_at.isoformat() if followup and followup.saved_at else NOTHING_SEEN


def asks_followup(study: Study, slot: Slot) -> bool:
    """Whether the study asks for more about this slot than its scales."""
    return bool(study.followup) and slot.kind in KINDS


def remarks_missing(assignment: Assignment) -> bool:
    """Whether the study asks for a remark about everything that is rated, and one is not there yet."""
    study = assignment.participant.study
    if not study.followup.get("required"):
        return False
    wanted = {slot.pk for slot in assignment.slots.all() if asks_followup(study, slot)}
    texts = Followup.objects.filter(slot__assignment=assignment).values_list("slot", "text")
    return bool(wanted - {slot for slot, text in texts if text.strip()})


def _checked(slot: Slot, chips: Sequence[str], text: str) -> tuple[list[str], str]:
    study = slot.assignment.participant.study
    if not asks_followup(study, slot):
        raise ServiceError(_("Nothing more is asked about this."))
    if is_before_persona(slot.assignment):
        raise OutOfStep(_("Remarks are asked for once the persona is shown."))
    offered = study.followup["chips"]
    if unknown := [chip for chip in chips if chip not in offered]:
        raise ServiceError(_("“%(reason)s” is none of the reasons on the page.") % {"reason": unknown[0][:80]})
    if text and not study.followup["text"]:
        raise ServiceError(_("No text is asked for here."))
    return [chip for chip in offered if chip in chips], answer_text(text)
