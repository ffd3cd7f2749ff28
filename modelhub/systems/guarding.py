"""Say which system a study asks about the personas that its participants submit."""

from django.db import transaction

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Study
from annotation.screening import OFF, screening_of
from annotation.services.log import audit_log
from modelhub.models import GuardBinding, System
from modelhub.systems.registering import present_fingerprint
from modelhub.systems.requests import check_can_be_asked


def guard_bind(*, study: Study, system: System) -> GuardBinding:
    """Let a study ask a system about its personas, instead of another one if there was one. Logged.

    Also while the study is open: who guards is no part of what participants rate. The log, which researchers who are
    blinded read, names no system, since the same one may stand behind an arm.

    Raises:
        NotAllowedNow: the study is closed.
        ServiceError: its file asks no guard, or the system cannot answer or is not what was registered.
    """
    _check_open(study)
    if screening_of(study).guard == OFF:
        raise ServiceError(
            f"{study} asks no guard. Write `guard: advise` or `guard: hold` under `screening` in its study file first."
        )
    check_can_be_asked(system, task="guard")
    if present_fingerprint(system) != system.fingerprint:
        raise ServiceError(f"The files of system {system.name!r} have changed since it was registered.")
    with transaction.atomic():
        binding, _ = GuardBinding.objects.update_or_create(study=study, defaults={"system": system})
        audit_log(user=None, action="guard_bound", study=study)
    return binding


def guard_unbind(*, study: Study) -> bool:
    """Let a study ask nobody any more; return whether it asked somebody before. Logged.

    Personas that are submitted from then on have no verdict, and are held or let through as the study says.

    Raises:
        NotAllowedNow: the study is closed.
    """
    _check_open(study)
    with transaction.atomic():
        removed, _ = GuardBinding.objects.filter(study=study).delete()
        if removed:
            audit_log(user=None, action="guard_unbound", study=study)
    return bool(removed)


def _check_open(study: Study) -> None:
    if study.state == Study.State.CLOSED:
        raise NotAllowedNow(f"{study} is closed, and closed is final: nobody submits a persona any more.")
