"""Reads of a study's arms with the systems behind them, and of the runs that made its outputs."""

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Count, Q

from annotation.making import troubles_of
from annotation.models import Arm, ArmTrouble, Output, Study
from annotation.services.outputs import outputs_failed
from modelhub.models import ArmBinding, Run, System


@dataclass(frozen=True)
class ArmRow:
    """An arm with the system behind it, None while unbound, and its outputs counted by state.

    `failures` are what was said of the failed ones, with how often; `troubles` why it cannot be answered for now.
    """

    arm: Arm
    system: System | None
    ready: int
    requested: int
    failed: int
    failures: tuple[tuple[str, int], ...]
    troubles: tuple[ArmTrouble, ...]


def arm_rows(study: Study) -> list[ArmRow]:
    """Return the study's arms in their order, each with its system."""
    bindings = ArmBinding.objects.filter(arm__study=study).select_related("system")
    systems = {binding.arm_id: binding.system for binding in bindings}
    states = Output.State
    arms = Arm.objects.filter(study=study).annotate(
        ready=Count("outputs", filter=Q(outputs__state=states.READY, outputs__planted=Output.Planted.NO)),
        requested=Count("outputs", filter=Q(outputs__state=states.REQUESTED)),
        failed=Count("outputs", filter=Q(outputs__state=states.FAILED)),
    )
    said, troubles = _failures(study), troubles_of(study)
    return [
        ArmRow(
            arm, systems.get(arm.pk), arm.ready, arm.requested, arm.failed, tuple(said[arm.pk]),
            tuple(one for one in troubles if one.arm_id == arm.pk),
        )
        for arm in arms
    ]  # fmt: skip


def _failures(study: Study) -> defaultdict[int, list[tuple[str, int]]]:
    said: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    rows = outputs_failed(study).values_list("arm_id", "error").annotate(n=Count("pk"))
    for arm_id, error, number in rows.order_by("-n", "error"):
        said[arm_id].append((error, number))
    return said


def runs_of(study: Study, limit: int = 20) -> list[Run]:
    """Return the newest runs that made or imported outputs of the study."""
    made = Run.objects.filter(Q(study=study) | Q(generations__output__arm__study=study))
    return list(made.distinct().order_by("-pk")[:limit])
