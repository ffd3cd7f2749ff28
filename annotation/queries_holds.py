"""What is held back in a study, and what was found in its personas: reads for researchers' pages."""

from dataclasses import dataclass

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from annotation.holding import standing_holds, with_told_time
from annotation.models import Assignment, Output, PersonaFinding, PersonaHold, Study


@dataclass(frozen=True)
class HoldCounts:
    """How many personas wait for a decision, those whose outputs are held among them, and for a guard's verdict."""

    undecided: int
    outputs: int
    guard: int


def undecided_holds(study: Study) -> QuerySet[PersonaHold]:
    """Return the holds to be decided on, the oldest first: those of outputs once all outputs are there.

    Each has `is_waited_for`: somebody's part is open on it.
    """
    waiting = Assignment.objects.filter(persona=OuterRef("persona"), state=Assignment.State.OPEN)
    holds = _open_holds(study).filter(_UNDECIDED).annotate(is_waited_for=Exists(waiting))
    return with_told_time(holds).select_related("persona__item").order_by(F("told_at"), "persona__key")


def decided_holds(study: Study) -> QuerySet[PersonaHold]:
    """Return what somebody has released or refused, the newest first; a hold that ended by itself is none."""
    holds = PersonaHold.objects.filter(persona__item__study=study).exclude(released_at=None, refused_at=None)
    decided = holds.exclude(stage=PersonaHold.Stage.GUARD)
    return decided.select_related("persona__item", "released_by", "refused_by").order_by(
        Coalesce("released_at", "refused_at").desc(), "persona__key"
    )


def persona_findings(study: Study) -> QuerySet[PersonaFinding]:
    """Return what was found in the study's personas, the newest first."""
    found = PersonaFinding.objects.filter(persona__item__study=study)
    return found.select_related("persona__item").order_by("-pk")


def hold_counts(study: Study) -> HoldCounts:
    """Return how much is held back at the moment."""
    counted = _open_holds(study).aggregate(
        undecided=Count("pk", filter=_UNDECIDED),
        outputs=Count("pk", filter=_UNDECIDED & Q(stage=PersonaHold.Stage.OUTPUTS)),
        guard=Count("pk", filter=Q(stage=PersonaHold.Stage.GUARD)),
    )
    return HoldCounts(**counted)


_UNDECIDED = Q(stage=PersonaHold.Stage.PERSONA) | Q(stage=PersonaHold.Stage.OUTPUTS, is_unmade=False)


def _open_holds(study: Study) -> QuerySet[PersonaHold]:
    """Return the holds without a decision, each with `is_unmade`: outputs of its persona are still to come."""
    unmade = Output.objects.filter(persona=OuterRef("persona"), state=Output.State.REQUESTED)
    holds = standing_holds().filter(persona__item__study=study, refused_at__isnull=True)
    return holds.annotate(is_unmade=Exists(unmade))
