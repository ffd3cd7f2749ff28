"""Reads of a study's arms with the systems behind them, and of the runs that made its outputs."""

from dataclasses import dataclass

from django.db.models import Count, Q

from annotation.models import Arm, Output, Study
from modelhub.models import ArmBinding, Run, System


@dataclass(frozen=True)
class ArmRow:
    """An arm with the system behind it, None while unbound, and its outputs counted by state."""

    arm: Arm
    system: System | None
    ready: int
    requested: int
    failed: int


def arm_rows(study: Study) -> list[ArmRow]:
    """Return the study's arms in their order, each with its system."""
    bindings = ArmBinding.objects.filter(arm__study=study).select_related("system")
    systems = {binding.arm_id: binding.system for binding in bindings}
    states = Output.State
    arms = Arm.objects.filter(study=study).annotate(
        ready=Count("outputs", filter=Q(outputs__state=states.READY)),
        requested=Count("outputs", filter=Q(outputs__state=states.REQUESTED)),
        failed=Count("outputs", filter=Q(outputs__state=states.FAILED)),
    )
    return [ArmRow(arm, systems.get(arm.pk), arm.ready, arm.requested, arm.failed) for arm in arms]


def runs_of(study: Study, limit: int = 20) -> list[Run]:
    """Return the newest runs that made or imported outputs of the study."""
    made = Run.objects.filter(Q(study=study) | Q(generations__output__arm__study=study))
    return list(made.distinct().order_by("-pk")[:limit])
