"""What is held back in a study, and what was found in its personas: reads for researchers' pages."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, QuerySet

from annotation.holding import standing_holds
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
    unmade = Output.objects.filter(persona=OuterRef("persona"), state=Output.State.REQUESTED)
    waiting = Assignment.objects.filter(persona=OuterRef("persona"), state=Assignment.State.OPEN)
    holds = standing_holds().filter(persona__item__study=study, refused_at__isnull=True)
    of_outputs = holds.filter(~Exists(unmade), stage=PersonaHold.Stage.OUTPUTS)
    found = holds.filter(stage=PersonaHold.Stage.PERSONA) | of_outputs
    return found.annotate(is_waited_for=Exists(waiting)).select_related("persona__item").order_by("at", "pk")


def decided_holds(study: Study) -> QuerySet[PersonaHold]:
    """Return what somebody has released or refused, the newest first; a hold that ended by itself is none."""
    holds = PersonaHold.objects.filter(persona__item__study=study).exclude(released_at=None, refused_at=None)
    decided = holds.exclude(stage=PersonaHold.Stage.GUARD)
    return decided.select_related("persona__item", "released_by", "refused_by").order_by("-pk")


def persona_findings(study: Study) -> QuerySet[PersonaFinding]:
    """Return what was found in the study's personas, the newest first."""
    found = PersonaFinding.objects.filter(persona__item__study=study)
    return found.select_related("persona__item").order_by("-pk")


def hold_counts(study: Study) -> HoldCounts:
    """Return how much is held back at the moment."""
    undecided = undecided_holds(study)
    guard = standing_holds().filter(persona__item__study=study, stage=PersonaHold.Stage.GUARD, refused_at=None)
    return HoldCounts(
        undecided=undecided.count(),
        outputs=undecided.filter(stage=PersonaHold.Stage.OUTPUTS).count(),
        guard=guard.count(),
    )
