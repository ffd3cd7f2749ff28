"""Read inferred personas into a draft persona assessment. Everything is checked before anything is written."""

import random
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Study, User
from annotation.services.imports import ImportedItem, ImportedPersona, personas_import
from annotation.services.log import audit_log
from modelhub.models import ArmBinding, PersonaOrigin, Run, System
from modelhub.pairs import RESPONSES, Columns, Pair, PersonaRow, read_pairs
from modelhub.records import RecordError, file_sha256, read_records
from modelhub.runs import run_finish, run_heartbeat, run_start
from modelhub.systems import arm_bind, system_register_imported

MAX_PROBLEMS_SHOWN = 50

Condition = tuple[str, str, str]  # direction, source, name of the inferring system


@dataclass(frozen=True)
class PersonaImportReport:
    """What an import did."""

    run: Run
    pairs: int
    imported: int
    unchanged: int


def import_personas(
    *, study: Study, files: Sequence[Path], columns: Columns, limit: int | None = None, user: User | None = None
) -> PersonaImportReport:
    """Import the pairs of the files (the first `limit` of each) with their personas, and return what was done.

    Each persona becomes a unit of the item made from its pair; both responses become outputs of two arms. Imported
    again, what is there already stays as it is.

    Raises NotAllowedNow unless the study is a draft that imports its items, and ServiceError listing everything that
    is wrong; nothing is written then.
    """
    _check_study(study)
    pairs, problems = _read(files, columns, limit)
    known = _known(study)
    problems += [problem for pair in pairs for row in pair.personas for problem in _conflicts(pair, row, known)]
    if problems:
        raise ServiceError(_listed(problems))
    arguments = {"study": str(study), "files": [file.name for file in files], **vars(columns), "limit": limit}
    run = run_start(stage="import_personas", study=study, arguments=arguments, inputs=files)
    new = [(pair, row) for pair in pairs for row in pair.personas if (pair.key, *_condition(row)) not in known]
    try:
        with transaction.atomic():
            _store(study, new, run, [file_sha256(file) for file in files])
            audit_log(user=user, action="personas_imported", study=study, run=run.key, personas=len(new))
    except ServiceError as error:
        run_finish(run=run, state=Run.State.FAILED, message=str(error))
        raise
    run_heartbeat(run=run, done=len(new))
    run_finish(run=run, state=Run.State.FINISHED)
    total = sum(len(pair.personas) for pair in pairs)
    return PersonaImportReport(run, len(pairs), len(new), total - len(new))


def _check_study(study: Study) -> None:
    if study.kind != Study.Kind.PERSONA_ASSESSMENT or not study.items_imported:
        raise NotAllowedNow(
            f"{study} does not import personas; its file must say `kind: persona_assessment` and `items: imported`."
        )
    if study.state != Study.State.DRAFT:
        raise NotAllowedNow(f"Personas can be imported only while the study is a draft; {study} is {study.state}.")


def _read(files: Sequence[Path], columns: Columns, limit: int | None) -> tuple[list[Pair], list[str]]:
    """Return the pairs of all files, those of several files joined, and everything that is wrong."""
    pairs: dict[str, Pair] = {}
    problems: list[str] = []
    for file in files:
        try:
            found, wrong = read_pairs(read_records(file), columns, limit=limit)
        except RecordError as error:
            problems += error.problems
            continue
        problems += wrong
        for pair in found:
            there = pairs.setdefault(pair.key, pair)
            if there is not pair:
                there.personas += pair.personas
    return list(pairs.values()), problems + _repeated(pairs.values())


def _repeated(pairs: Iterable[Pair]) -> list[str]:
    """Drop personas that several files hold; return those that differ from file to file."""
    problems = []
    for pair in pairs:
        seen: dict[Condition, PersonaRow] = {}
        for row in list(pair.personas):
            first = seen.setdefault(_condition(row), row)
            if first is row:
                continue
            pair.personas.remove(row)
            if first.text != row.text:
                problems.append(f"{row.place}: {first.place} has another {row.direction} persona of this pair.")
    return problems


def _known(study: Study) -> dict[tuple[str, str, str, str], str]:
    """Return the texts of the study's personas by item key and condition."""
    origins = PersonaOrigin.objects.filter(persona__item__study=study).values_list(
        "persona__item__key", "direction", "source", "inferring_system__name", "persona__text"
    )
    return {(key, direction, source, name or ""): text for key, direction, source, name, text in origins}


def _conflicts(pair: Pair, row: PersonaRow, known: dict[tuple[str, str, str, str], str]) -> list[str]:
    text = known.get((pair.key, *_condition(row)), row.text)
    if text == row.text:
        return []
    return [f"{row.place}: this pair has another {row.direction} persona in the study already."]


def _condition(row: PersonaRow) -> Condition:
    return (row.direction, row.source, row.system)


def _store(study: Study, new: list[tuple[Pair, PersonaRow]], run: Run, sha256s: Sequence[str]) -> None:
    pairs = {pair.key: pair for pair, _ in new}
    # The order of the rows must betray nothing: else the persona of the chosen response would always come first.
    random.SystemRandom().shuffle(new)
    arms = _arms(study, sha256s)
    systems = {row.system: _system(row.system, sha256s) for _, row in new if row.system}
    blocks = _blocks(study, {_condition(row) for _, row in new})
    items = [_item(pair, arms) for pair in pairs.values()]
    personas = [ImportedPersona(pair.key, row.text, blocks[_condition(row)]) for pair, row in new]
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
    return ImportedItem(key=pair.key, prompt=pair.prompt, stratum=pair.stratum, responses=responses)


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
    style = System.PersonaStyle.NONE
    known = System.objects.filter(name=name).first()
    return known or system_register_imported(name=name, persona_style=style, sha256s=sha256s)


def _blocks(study: Study, conditions: set[Condition]) -> dict[Condition, str]:
    """Return an opaque code per condition: the one that the study has for it, or a new one."""
    rows = PersonaOrigin.objects.filter(persona__item__study=study).values_list(
        "direction", "source", "inferring_system__name", "persona__block"
    )
    known = {(direction, source, name or ""): block for direction, source, name, block in rows}
    return {condition: known.get(condition) or f"b-{secrets.token_hex(4)}" for condition in conditions}


def _listed(problems: Sequence[str]) -> str:
    shown = list(problems[:MAX_PROBLEMS_SHOWN])
    if len(problems) > len(shown):
        shown.append(f"… and {len(problems) - len(shown)} more of the same kind.")
    return "\n".join([f"Nothing was imported; {len(problems)} rows or files need attention:", *shown])
