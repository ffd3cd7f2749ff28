"""Which arm a row of imported outputs belongs to."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from annotation.models import Arm, Output, Study
from annotation.rowfiles import Record
from modelhub.files.personacolumns import name_problem
from modelhub.models import ArmBinding, System
from modelhub.prompting.layouts import PersonaStyle
from modelhub.systems.registering import arm_bind, find_arm, system_register_imported


class ArmNames:
    """Resolves the names that rows and options use. A system that no arm is bound to yet takes the next free arm.

    `arm` and `system` apply to rows that name neither.
    """

    def __init__(self, study: Study, *, arm: str, system: str) -> None:
        self._study = study
        self._default = (arm, system)
        bindings = ArmBinding.objects.filter(arm__study=study).select_related("arm", "system")
        self._systems = {binding.arm_id: binding.system.name for binding in bindings}
        self._by_system: dict[str, list[Arm]] = defaultdict(list)
        for binding in bindings:
            self._by_system[binding.system.name].append(binding.arm)
        # Planted pairs take an arm's place on the page, but no arm made them.
        made = Output.objects.filter(arm__study=study, planted=Output.Planted.NO)
        filled = set(made.values_list("arm", flat=True))
        self._free = [arm for arm in study.arms.all() if arm.pk not in self._systems and arm.pk not in filled]
        self._new: dict[int, str] = {}
        # Without their codes: whoever knows both knows which responses of the pages are a file's.
        self._numbers = ", ".join(str(arm.ordinal) for arm in study.arms.all())

    def resolve(self, record: Record) -> Arm | str:
        """Return the row's arm, or what is wrong with how it is named."""
        own_arm, own_system = _column(record, "arm"), _column(record, "system")
        if wrong := name_problem(own_system):
            return f"the name of its system {wrong}"
        if own_arm or own_system:
            return self._find(own_arm, own_system)
        return self._find(*self._default)

    def bind(self, styles: Mapping[int, PersonaStyle], sha256s: Sequence[str]) -> dict[int, ArmBinding]:
        """Register and bind the systems that rows named and no arm had yet; return the study's bindings by arm id."""
        for arm_id, name in self._new.items():
            system = System.objects.filter(name=name).first()
            if system is None:
                style = styles.get(arm_id, PersonaStyle.FIELD)
                system = system_register_imported(name=name, persona_style=style, sha256s=sha256s)
            arm_bind(arm=Arm.objects.select_related("study").get(pk=arm_id), system=system)
        bindings = ArmBinding.objects.filter(arm__study=self._study).select_related("system", "arm__study")
        return {binding.arm_id: binding for binding in bindings}

    def _find(self, reference: str, system: str) -> Arm | str:
        if reference:
            return self._named_arm(reference, system)
        if not system:
            return "does not say which system made it; give --system NAME, or a column `system` or `arm`"
        arms = self._by_system[system]
        if len(arms) == 1:
            return arms[0]
        if arms:
            return f"system {system!r} is bound to {len(arms)} arms; say which with --arm or a column `arm`"
        if not self._free:
            return f"system {system!r} is not bound and no arm is free. Arms: {self._numbers}"
        return self._take(self._free[0], system)

    def _named_arm(self, reference: str, system: str) -> Arm | str:
        arm = find_arm(self._study, reference)
        if arm is None:
            return f"arm {reference!r} is not in the study. Its arms: {self._numbers}"
        bound = self._systems.get(arm.pk)
        if system and bound is None:
            return self._take(arm, system)
        if bound is None:
            return f"arm {reference!r} is not bound yet; say which system it is with --system NAME"
        if system and system != bound:
            return f"arm {reference!r} is bound to another system than {system!r}"
        return arm

    def _take(self, arm: Arm, system: str) -> Arm:
        self._free = [free for free in self._free if free.pk != arm.pk]
        self._by_system[system].append(arm)
        self._systems[arm.pk] = self._new[arm.pk] = system
        return arm


def _column(record: Record, name: str) -> str:
    value = record.values.get(name)
    return "" if value is None else str(value).strip()
