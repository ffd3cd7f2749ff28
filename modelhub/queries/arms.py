"""Reads for the unblinded pages."""

from dataclasses import dataclass

from django.db.models import Count, Q

from annotation.models import Arm, Output, Study, StudyMember, User
from annotation.permissions import attached_role
from modelhub.models import ArmBinding, Run, System


@dataclass(frozen=True)
class ArmRow:
    """An arm with the system behind it, None while unbound, and its outputs counted by state."""

    arm: Arm
    system: System | None
    ready: int
    requested: int
    failed: int


def may_unblind(user: User, study: Study) -> bool:
    """Return whether this person may see which system stands behind an arm of the study.

    It takes the permission, and that the study is theirs as an analyst: who was attached as a researcher stays blind.
    """
    return user.has_perm("modelhub.unblind") and attached_role(user, study) != StudyMember.Role.RESEARCHER


def may_see_pipeline(user: User) -> bool:
    """Return whether the person may see what the pipeline made: pairs, personas with their directions, verdicts, runs.

    It takes the permission to unblind, and that the person is attached to no study as a researcher: personas and
    outputs of any study may come from here, so whoever is blinded in one study must not look them up.
    """
    if user.is_superuser:
        return True
    blinded = StudyMember.objects.filter(user=user, role=StudyMember.Role.RESEARCHER)
    return user.has_perm("modelhub.unblind") and not blinded.exists()


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
