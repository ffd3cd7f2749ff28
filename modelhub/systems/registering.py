"""Register systems and bind arms to them. The one place where a blinded arm meets the model behind it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from annotation.errors import NotAllowedNow, ServiceError
from annotation.fields import check_name
from annotation.models import Arm, Output, Study, User
from annotation.services.log import audit_log
from annotation.services.outputs import arm_fingerprint_set, study_demonstration_set
from modelhub.engines import IMPORTED, SCRIPTED, SHAPING_OPTIONS, engine_module
from modelhub.engines.base import EngineSettings
from modelhub.engines.digests import digest_of, file_digest
from modelhub.models import ArmBinding, GuardBinding, System
from modelhub.prompting.layouts import template_version
from modelhub.systems.procedures import procedure_check

# Tries a system that is to be stored, and returns what its server says it serves; raises ServiceError.
Trying = Callable[[System], Mapping[str, str]]


def system_register(
    *,
    name: str,
    engine: str,
    model: str,
    adapter: str = "",
    endpoint: str = "",
    persona_style: str,
    decoding: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
    exemplars: Sequence[Mapping[str, str]] = (),
    procedure: Mapping[str, Any] | None = None,
    trying: Trying | None = None,
) -> System:
    """Register a system, or change one that was never used; the same registration again changes nothing.

    `trying` tries what the system will be asked, and returns what its server says of itself. Raises ServiceError if the
    engine cannot use these settings, or if the system is in use and would change. Its options may change at any time,
    but for those that change answers. What `procedure` retrieves from has to be stored before.
    """
    system = _described(
        name=name, engine=engine, model=model, adapter=adapter, endpoint=endpoint, persona_style=persona_style,
        decoding=decoding, options=options, exemplars=exemplars, procedure=procedure,
    )  # fmt: skip
    procedure_check(system)
    engine_module(engine).check(engine_settings(system))
    system.served = dict(trying(system)) if trying is not None else {}
    with transaction.atomic():
        existing = System.objects.filter(name=name).first()
        if existing is not None:
            _refuse_change(existing, system)
            system.pk, system.created_at = existing.pk, existing.created_at
            if not _changed(existing, system):
                # What it said when it was first asked; what it says now is compared with that, by whoever asks it.
                system.served = existing.served or system.served
                system.adapter_probe = system.adapter_probe or existing.adapter_probe
        system.save()
    return system


def is_registered(*, name: str, **settings: Any) -> bool:
    """Return whether a system of this name is registered just so, with files as they are now.

    Takes what `system_register` takes.
    """
    wanted, existing = _described(name=name, **settings), System.objects.filter(name=name).first()
    return existing is not None and existing.options == wanted.options and not _changed(existing, wanted)


def system_register_imported(*, name: str, persona_style: str, sha256s: Sequence[str]) -> System:
    """Register a system whose outputs were made elsewhere; its fingerprint stands for the files they came in."""
    name = _named(name)
    parts = {"engine": IMPORTED, "name": name, "files": sorted(sha256s)}
    return System.objects.create(
        name=name, engine=IMPORTED, persona_style=persona_style, fingerprint=digest_of(parts)
    )  # fmt: skip


def _named(name: str) -> str:
    try:
        return check_name(name)
    except ValueError as error:
        raise ServiceError(f"The name of a system {error}.") from error


def arms_bind(*, study: Study, bindings: Mapping[str, str], user: User | None = None) -> list[ArmBinding]:
    """Bind arms (by code, or by number from 1) to systems (by name), mark the study if one is scripted, and log it.

    Raises NotAllowedNow unless the study is a draft, and ServiceError listing every mistake; nothing is bound then.
    """
    if study.state != Study.State.DRAFT:
        raise NotAllowedNow(f"Arms can be bound only while the study is a draft; {study} is {study.state}.")
    pairs = _resolve(study, bindings)
    with transaction.atomic():
        bound = [arm_bind(arm=arm, system=system) for arm, system in pairs.items()]
        audit_log(user=user, action="arms_bound", study=study, arms=len(pairs))
    return bound


def arm_bind(*, arm: Arm, system: System) -> ArmBinding:
    """Bind one arm, write its fingerprint, and keep the study's demonstration mark right.

    Raises ServiceError if participants write personas and the system can answer none, since its outputs were imported.
    """
    if system.engine == IMPORTED and arm.study.written_personas_per_participant:
        raise ServiceError(
            f"Participants of {arm.study} write personas, and system {system.name!r} has imported outputs only: it "
            "cannot answer them. Register the model behind it with register_system, under this name or another."
        )
    with transaction.atomic():
        binding, _ = ArmBinding.objects.update_or_create(arm=arm, defaults={"system": system})
        arm_fingerprint_set(arm=arm, fingerprint=system.fingerprint)
        scripted = ArmBinding.objects.filter(arm__study=arm.study, system__engine=SCRIPTED).exists()
        study_demonstration_set(study=arm.study, demonstration=scripted)
    return binding


def find_arm(study: Study, reference: str) -> Arm | None:
    """Return the study's arm with this code or number (1..n), if there is one."""
    for arm in study.arms.all():
        if reference in (arm.code, str(arm.ordinal)):
            return arm
    return None


def describe_arms(study: Study) -> str:
    """Return the arms as a person may name them: `1 (arm-7f3c09d1), 2 (arm-…)`."""
    return ", ".join(f"{arm.ordinal} ({arm.code})" for arm in study.arms.all())


def engine_settings(system: System, *, defaults: Mapping[str, Any] | None = None) -> EngineSettings:
    """Return what an engine needs to know of a system, with usable paths.

    `defaults` are a stage's decoding settings, which the system's own override; the scripted engine has none.
    """
    decoding = system.decoding if system.engine == SCRIPTED else {**(defaults or {}), **system.decoding}
    return EngineSettings(
        model=_usable_path(system.model),
        adapter=_usable_path(system.adapter),
        endpoint=system.endpoint,
        decoding=decoding,
        options=system.options,
    )


def present_fingerprint(system: System) -> str:
    """Return the SHA-256 over everything that shapes the system's outputs, reading its files as they are now."""
    if system.engine == IMPORTED:
        return system.fingerprint
    parts = {
        "engine": system.engine,
        "model": content_digest(_usable_path(system.model)),
        "adapter": content_digest(_usable_path(system.adapter)),
        "template": template_version(system.persona_style),
        "persona_style": str(system.persona_style),
        "decoding": system.decoding,
    }
    # Named only where there are any, so that the fingerprints of systems without them stay what they were.
    shaping = {name: value for name, value in system.options.items() if name in SHAPING_OPTIONS}
    later = {
        "endpoint": system.endpoint, "exemplars": system.exemplars, "options": shaping, "procedure": system.procedure,
    }  # fmt: skip
    return digest_of(parts | {name: value for name, value in later.items() if value})


def content_digest(name: str) -> str:
    """Return a digest of a file, or of all files below a folder with their names; other names stand for themselves."""
    path = Path(name)
    if name and path.is_file():
        return file_digest(path)
    if name and path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return digest_of({str(file.relative_to(path)): file_digest(file) for file in files})
    return name


def _stored_path(name: str) -> str:
    """Return an existing path so that it holds from any working directory, and is short inside the project."""
    path = Path(name)
    if not name or not path.exists():
        return name
    absolute = path.resolve()
    return str(absolute.relative_to(settings.BASE_DIR) if absolute.is_relative_to(settings.BASE_DIR) else absolute)


def _usable_path(name: str) -> str:
    inside = settings.BASE_DIR / name
    return str(inside) if name and not Path(name).is_absolute() and inside.exists() else name


def _described(
    *,
    name: str,
    engine: str,
    model: str,
    adapter: str = "",
    endpoint: str = "",
    persona_style: str,
    decoding: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
    exemplars: Sequence[Mapping[str, str]] = (),
    procedure: Mapping[str, Any] | None = None,
) -> System:
    """Return the system that these settings describe, not stored, with its fingerprint."""
    system = System(
        name=_named(name), engine=engine, model=_stored_path(model), adapter=_stored_path(adapter), endpoint=endpoint,
        persona_style=persona_style, decoding=dict(decoding), options=dict(options or {}),
        exemplars=[dict(one) for one in exemplars], procedure=dict(procedure or {}),
    )  # fmt: skip
    system.fingerprint = present_fingerprint(system)
    return system


def _changed(existing: System, wanted: System) -> list[str]:
    fields = (
        "engine", "model", "adapter", "endpoint", "persona_style", "decoding", "exemplars", "procedure", "fingerprint",
    )  # fmt: skip
    return [field for field in fields if getattr(existing, field) != getattr(wanted, field)]


def _refuse_change(existing: System, wanted: System) -> None:
    changed = _changed(existing, wanted)
    if not changed:
        return
    uses = (
        (existing.bindings, "is bound to an arm"),
        (GuardBinding.objects.filter(system=existing), "guards a study"),
        (existing.generations, "has made outputs"),
    )
    if used := next((use for rows, use in uses if rows.exists()), ""):
        raise ServiceError(
            f"System {existing.name!r} {used}, so it must stay as it is; this would change: {', '.join(changed)}. "
            "Register the new one under another name."
        )


def _resolve(study: Study, bindings: Mapping[str, str]) -> dict[Arm, System]:
    problems: list[str] = []
    pairs: dict[Arm, System] = {}
    for reference, name in bindings.items():
        arm, system = find_arm(study, reference), System.objects.filter(name=name).first()
        if arm is None:
            problems.append(f"Arm {reference!r} is not in {study}. Its arms: {describe_arms(study)}.")
        if system is None:
            problems.append(f"There is no system called {name!r}. Registered: {_known_systems()}.")
        if arm is not None and arm in pairs:
            problems.append(f"Arm {reference!r} is given twice.")
        if arm is not None and system is not None:
            problems += _binding_problems(arm, system)
            pairs[arm] = system
    if problems:
        raise ServiceError("\n".join(problems))
    return pairs


def _binding_problems(arm: Arm, system: System) -> list[str]:
    problems = []
    if present_fingerprint(system) != system.fingerprint:
        problems.append(
            f"The files of system {system.name!r} have changed since it was registered. Restore them, or register "
            "what they are now under another name."
        )
    binding = ArmBinding.objects.filter(arm=arm).first()
    made = arm.outputs.filter(planted=Output.Planted.NO)
    if binding is not None and binding.system_id != system.pk and made.exists():
        problems.append(f"Arm {arm.ordinal} already has outputs of another system. Load the study anew to start over.")
    return problems


def _known_systems() -> str:
    return ", ".join(System.objects.values_list("name", flat=True)) or "none yet; see register_system"
