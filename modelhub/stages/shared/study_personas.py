"""Bring personas, with the pairs they explain, into a draft study: from files and from the database alike.

Participants' pages learn an opaque mark of the condition. Which response a persona explains, and what inferred it, is
kept here.
"""

import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Study, User
from annotation.services.imports import ImportedItem, ImportedPersona, personas_import
from annotation.services.log import audit_log
from modelhub.files.pairs import RESPONSES, Pair, PersonaRow
from modelhub.files.problems import refusal
from modelhub.models import ArmBinding, PersonaOrigin, Run, System
from modelhub.prompting.layouts import PersonaStyle
from modelhub.runs.recording import recorded_run
from modelhub.systems.registering import arm_bind, system_register_imported

NOTHING = "Nothing was imported."

Condition = tuple[str, str, str]  # direction, source, name of the inferring system
_Known = dict[tuple[str, str, str, str], str]  # texts by item key and condition


@dataclass(frozen=True)
class StudyPersonasReport:
    """What was brought into a study."""

    run: Run
    pairs: int
    added: int
    unchanged: int


def study_takes_personas(study: Study, kind: Study.Kind) -> None:
    """Raise NotAllowedNow unless the study is a draft of this kind that imports its items."""
    if study.kind != kind or not study.items_imported:
        raise NotAllowedNow(
            f"{study} does not import such personas; its file must say `kind: {kind}` and `items: imported`."
        )
    if study.state != Study.State.DRAFT:
        raise NotAllowedNow(f"Personas can be imported only while the study is a draft; {study} is {study.state}.")


def study_personas_conflicts(study: Study, pairs: Sequence[Pair]) -> list[str]:
    """Return the personas for which the study has another text already, one line each."""
    known = _known(study)
    return [
        f"{row.place}: this pair has another {row.direction} persona in the study already."
        for pair in pairs
        for row in pair.personas
        if known.get((pair.key, *row.condition), row.text) != row.text
    ]


def study_personas_add(
    *,
    study: Study,
    pairs: Sequence[Pair],
    stage: str,
    arguments: Mapping[str, Any],
    inputs: Sequence[Path] = (),
    sha256s: Sequence[str],
    seed: int | None = None,
    user: User | None = None,
) -> StudyPersonasReport:
    """Add the personas that the study does not have, as one run that is logged, and return what was done.

    Each persona becomes a unit of the item made from its pair. In a persona assessment both responses become outputs of
    two arms. `sha256s` stand for where the pairs come from. Raises ServiceError where the study has another text, and
    nothing is written then.
    """
    if problems := study_personas_conflicts(study, pairs):
        raise ServiceError(refusal(problems))
    with recorded_run(
        stage=stage, study=study, arguments=arguments, inputs=inputs, seed=seed, scope=f"personas of {study}",
        renewed=False, leaves=NOTHING,
    ) as execution:  # fmt: skip
        run, known = execution.run, _known(study)
        new = [(pair, row) for pair in pairs for row in pair.personas if (pair.key, *row.condition) not in known]
        with transaction.atomic():
            _store(study, new, run, sha256s)
            audit_log(user=user, action="personas_imported", study=study, run=run.key, personas=len(new))
        execution.advance(len(new))
    total = sum(len(pair.personas) for pair in pairs)
    return StudyPersonasReport(run, len(pairs), len(new), total - len(new))


def _known(study: Study) -> _Known:
    origins = PersonaOrigin.objects.filter(persona__item__study=study).values_list(
        "persona__item__key", "direction", "source", "inferring_system__name", "persona__text"
    )
    return {(key, direction, source, name or ""): text for key, direction, source, name, text in origins}


def _store(study: Study, new: list[tuple[Pair, PersonaRow]], run: Run, sha256s: Sequence[str]) -> None:
    pairs = {pair.key: pair for pair, _ in new}
    # The order of the rows must betray nothing: else the persona of the chosen response would always come first.
    random.SystemRandom().shuffle(new)
    arms = _arms(study, sha256s) if study.kind == Study.Kind.PERSONA_ASSESSMENT else {}
    systems = {row.system: _system(row.system, sha256s) for _, row in new if row.system}
    blocks = _blocks(study, {row.condition for _, row in new})
    items = [_item(pair, arms) for pair in pairs.values()]
    personas = [ImportedPersona(pair.key, row.text, blocks[row.condition]) for pair, row in new]
    created = personas_import(study=study, items=items, personas=personas)
    PersonaOrigin.objects.bulk_create(
        PersonaOrigin(
            persona=persona,
            direction=row.direction,
            source=row.source,
            run=run,
            inferring_system=systems.get(row.system),
        )
        for persona, (_, row) in zip(created, new, strict=True)
    )


def _item(pair: Pair, arms: dict[str, int]) -> ImportedItem:
    texts = {"chosen": pair.chosen, "rejected": pair.rejected}
    responses = {arm: texts[side] for side, arm in arms.items()}
    return ImportedItem(
        key=pair.key, prompt=pair.prompt, stratum=pair.stratum, responses=responses, answer_start=pair.answer_start
    )


def _arms(study: Study, sha256s: Sequence[str]) -> dict[str, int]:
    """Return which arm stands for which response, bound at the first import by lot; empty where none are shown."""
    arms = list(study.arms.select_related("study").order_by("ordinal"))
    bound = dict(ArmBinding.objects.filter(arm__in=arms).values_list("system__name", "arm"))
    if arms and not bound:
        random.SystemRandom().shuffle(arms)
        for arm, name in zip(arms, RESPONSES.values(), strict=True):
            arm_bind(arm=arm, system=_system(name, sha256s))
            bound[name] = arm.pk
    if arms and set(bound) != set(RESPONSES.values()):
        raise ServiceError(f"The arms of {study} are bound to other systems than the responses of pairs; unbind them.")
    return {side: bound[name] for side, name in RESPONSES.items()} if arms else {}


def _system(name: str, sha256s: Sequence[str]) -> System:
    style = PersonaStyle.NONE
    known = System.objects.filter(name=name).first()
    return known or system_register_imported(name=name, persona_style=style, sha256s=sha256s)


def _blocks(study: Study, conditions: set[Condition]) -> dict[Condition, str]:
    """Return an opaque code per condition: the one that the study has for it, or a new one."""
    rows = PersonaOrigin.objects.filter(persona__item__study=study).values_list(
        "direction", "source", "inferring_system__name", "persona__block"
    )
    known = {(direction, source, name or ""): block for direction, source, name, block in rows}
    return {condition: known.get(condition) or f"b-{secrets.token_hex(4)}" for condition in conditions}
