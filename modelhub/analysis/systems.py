"""Which system stands behind each arm of a study."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from annotation.armorder import arm_numbers
from annotation.errors import ServiceError
from annotation.models import Study
from modelhub.models import ArmBinding


@dataclass(frozen=True, slots=True)
class UnblindedArm:
    """An arm unblinded. `name` is unique within the study.

    `adapter_difference` is what the adapter changed of its base's logits on the probe texts; None if not probed.
    """

    name: str
    arm: int
    code: str
    is_control: bool
    engine: str
    persona_style: str
    fingerprint: str
    procedure: str = ""
    has_adapter: bool | None = None
    adapter_difference: float | None = None


def systems_of(study: Study) -> tuple[UnblindedArm, ...]:
    """Return the systems in the order of their arms; an arm without one, or with another arm's, bears its number."""
    arms = list(study.arms.order_by("ordinal"))
    bindings = ArmBinding.objects.filter(arm__in=arms).select_related("system")
    bound = {binding.arm_id: binding.system for binding in bindings}
    used = Counter(system.name for system in bound.values())
    found = []
    for arm in arms:
        system = bound.get(arm.pk)
        name = system.name if system else f"arm {arm.ordinal}"
        found.append(
            UnblindedArm(
                name=f"{name} (arm {arm.ordinal})" if used[name] > 1 else name,
                arm=arm.ordinal,
                code=arm.code,
                is_control=arm.is_control,
                engine=system.engine if system else "",
                persona_style=system.persona_style if system else "",
                fingerprint=arm.fingerprint,
                procedure=system.procedure_name if system else "",
                has_adapter=bool(system.adapter) if system else None,
                adapter_difference=system.adapter_difference if system else None,
            )
        )
    return tuple(found)


def blinded_arms(study: Study) -> tuple[UnblindedArm, ...]:
    """Return the arms for who is blinded: by letters in the order of their codes, with nothing else that is known."""
    return tuple(
        UnblindedArm(
            name=f"Arm {ascii_uppercase[number]}",
            arm=number + 1,
            code=code,
            is_control=False,
            engine="",
            persona_style="",
            fingerprint="",
        )
        for code, number in arm_numbers(study).items()
    )


def find_system(systems: Sequence[UnblindedArm], wanted: str) -> str:
    """Return the name of the system that has the name or arm number `wanted`. Raises ServiceError if none has."""
    for system in systems:
        if wanted in (system.name, str(system.arm)):
            return system.name
    known = ", ".join(f"{system.arm} = {system.name}" for system in systems) or "none"
    raise ServiceError(f"{wanted!r} is no system of this study; there are: {known}.")
