"""Which system stands behind an arm, and what is wrong with asking it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from annotation.models import Arm
from modelhub.engines import IMPORTED
from modelhub.live.desk import Desk
from modelhub.models import ArmBinding, System
from modelhub.systems.registering import present_fingerprint


@dataclass
class Desks:
    """The systems that a worker has had to do with so far, each with its files as they were then."""

    _open: dict[tuple[int, str], Desk] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Desk]:
        return iter(self._open.values())

    def behind(self, arms: Collection[int]) -> tuple[list[Desk], dict[int, str]]:
        """Return the systems behind these arms, and for each arm that cannot be answered for, why not."""
        bindings = ArmBinding.objects.filter(arm__in=arms).select_related("system", "arm")
        systems = {binding.arm_id: binding.system for binding in bindings}
        found: list[Desk] = []
        problems: dict[int, str] = {}
        for arm in Arm.objects.filter(pk__in=arms):
            fingerprint, problem = _what_answers(arm, systems.get(arm.pk))
            if problem:
                problems[arm.pk] = problem
                continue
            desk = self._desk(systems[arm.pk], fingerprint)
            desk.arms.add(arm.pk)
            if desk not in found:
                found.append(desk)
        return found, problems

    def of(self, system: System) -> tuple[Desk | None, str]:
        """Return a system as it was registered, or None and what is wrong with asking it."""
        if system.engine == IMPORTED:
            return None, "It has imported outputs only."
        try:
            fingerprint = present_fingerprint(system)
        except OSError as error:
            return None, f"Its files cannot be read: {error.strerror}."
        if fingerprint != system.fingerprint:
            return None, "Its files or settings have changed since it was registered."
        return self._desk(system, fingerprint), ""

    def _desk(self, system: System, fingerprint: str) -> Desk:
        desk = self._open.setdefault((system.pk, fingerprint), Desk(system, fingerprint))
        desk.system = system  # as it is stored now: what its server serves may have been learned
        return desk

    def close(self) -> None:
        """Give up what is under way everywhere."""
        for desk in self:
            desk.close()


def _what_answers(arm: Arm, system: System | None) -> tuple[str, str]:
    """Return the fingerprint of what stands behind an arm now, or what is wrong with it."""
    if system is None:
        return "", f"{arm.code} is not bound to a system; see bind_arms."
    if system.engine == IMPORTED:
        return "", f"{arm.code} has imported outputs only, and none was imported for this persona."
    try:
        fingerprint = present_fingerprint(system)
    except OSError as error:
        return "", f"The files behind {arm.code} cannot be read: {error.strerror}."
    if fingerprint != arm.fingerprint:
        return "", (
            f"The files or settings behind {arm.code} have changed since it was bound. Restore them, or make a new "
            "version of the study."
        )
    return fingerprint, ""
