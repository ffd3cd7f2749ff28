"""Read outputs that were made elsewhere into a draft study. Everything is checked before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from django.db import transaction
from pydantic import Field

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Arm, Output, Persona, Study, User
from annotation.protocol import given_personas
from annotation.rowfiles import RecordError, file_sha256
from annotation.services.log import audit_log
from annotation.services.outputs import output_import
from annotation.studyref import study_from_reference
from modelhub.files.problems import refusal
from modelhub.models import ArmBinding, Generation, PersonaOrigin, Run
from modelhub.prompting.endings import completion, whole_answer
from modelhub.prompting.layouts import PersonaStyle
from modelhub.runs.parameters import Option, Parameters
from modelhub.runs.recording import recorded_run
from modelhub.runs.stage import Reporting, Stage
from modelhub.stages.shared import parameters as shared
from modelhub.stages.shared.armnames import ArmNames
from modelhub.stages.shared.matching import (
    GivenPersona,
    Match,
    Matches,
    match_generic,
    match_released,
    released_completion,
    released_origin,
)
from modelhub.stages.shared.outputrows import OutputRows, output_rows, row_problems

NOTHING = "Nothing was imported."


class ImportOptions(Parameters):
    """How rows are taken. `system` and `arm` apply to rows that do not name their own."""

    system: shared.Name = Field(default="", description="what made the rows; bound to a free arm if new")
    arm: Annotated[str, Option(metavar="CODE")] = Field(default="", description="the arm's code or number")
    allow_unmatched: bool = Field(default=False, description="skip rows that belong to no item and persona")
    replace: bool = Field(default=False, description="overwrite texts that differ")


class OutputImport(ImportOptions):
    """What `import_outputs` can be told."""

    study: shared.Study = Field(description=shared.STUDY)
    files: Annotated[tuple[Path, ...], Option(metavar="FILE", positional=True)] = Field(
        description="JSONL, CSV or Parquet"
    )


@dataclass(frozen=True)
class ImportReport:
    """What an import did. `missing` counts, per arm code, the given personas that still have no output."""

    run: Run
    imported: int
    unchanged: int
    skipped: int
    missing: dict[str, int]


@dataclass(frozen=True)
class _Row:
    """One output to be stored."""

    place: str
    unit: GivenPersona
    arm: Arm
    text: str
    finish_reason: str
    rendered_prompt: str


@dataclass
class _ImportPlan:
    """All that an import is going to write, or why it cannot."""

    rows: list[_Row] = field(default_factory=list)
    origins: dict[int, tuple[str, str]] = field(default_factory=dict)
    styles: dict[int, PersonaStyle] = field(default_factory=dict)
    skipped: int = 0
    problems: list[str] = field(default_factory=list)


def import_outputs(
    *,
    study: Study,
    files: Sequence[Path],
    options: ImportOptions,
    columns: Mapping[str, str] | None = None,
    user: User | None = None,
) -> ImportReport:
    """Import files into a draft study and return what was done.

    `columns` say which column holds which field where their names do not. Raises NotAllowedNow unless the study is a
    draft, and ServiceError listing everything that is wrong in any of the files; nothing is written then.
    """
    names = ArmNames(study, arm=options.arm, system=options.system)
    plan = _checked_plan(study, files, options, columns or {}, names)
    if plan.problems:
        raise ServiceError(refusal(plan.problems))
    with recorded_run(
        stage="import_outputs",
        study=study,
        arguments={**options.stored(), "study": str(study), "files": [file.name for file in files]},
        inputs=files,
        renewed=False,
        leaves=NOTHING,
    ) as execution:
        with transaction.atomic():
            bindings = names.bind(plan.styles, [file_sha256(file) for file in files])
            imported = _store(plan.rows, execution.run, bindings, options)
            _store_origins(plan.origins, execution.run)
            audit_log(user=user, action="outputs_imported", study=study, run=execution.run.key, outputs=imported)
        execution.advance(imported)
    return ImportReport(execution.run, imported, len(plan.rows) - imported, plan.skipped, _missing(study))


def check_outputs(
    *, study: Study, files: Sequence[Path], options: ImportOptions, columns: Mapping[str, str]
) -> tuple[int, int, list[str]]:
    """Return how many outputs an import would store or find stored, how many rows it would skip, and what is wrong.

    Raises NotAllowedNow unless the study is a draft.
    """
    names = ArmNames(study, arm=options.arm, system=options.system)
    plan = _checked_plan(study, files, options, columns, names)
    return len(plan.rows), plan.skipped, plan.problems


def _checked_plan(
    study: Study, files: Sequence[Path], options: ImportOptions, columns: Mapping[str, str], names: ArmNames
) -> _ImportPlan:
    if study.state != Study.State.DRAFT:
        raise NotAllowedNow(f"Outputs can be imported only while the study is a draft; {study} is {study.state}.")
    plan = _plan(study, files, options, columns, names)
    _check_conflicts(plan, options)
    _check_origins(plan)
    return plan


def _plan(
    study: Study, files: Sequence[Path], options: ImportOptions, columns: Mapping[str, str], names: ArmNames
) -> _ImportPlan:
    plan = _ImportPlan()
    units = _units(study)
    for file in files:
        try:
            rows = output_rows(file, columns)
        except RecordError as error:
            plan.problems += error.problems
            continue
        _plan_file(plan, file, rows, units, options, names)
    return plan


def _plan_file(
    plan: _ImportPlan,
    file: Path,
    rows: OutputRows,
    units: Sequence[GivenPersona],
    options: ImportOptions,
    names: ArmNames,
) -> None:
    if problems := row_problems(rows):
        plan.problems += problems
        return
    matches = (match_released if rows.released else match_generic)(rows.records, units)
    if options.allow_unmatched:
        plan.skipped += len(matches.unmatched)
    else:
        plan.problems += matches.unmatched
    for match in matches.matched:
        arm = names.resolve(match.record)
        if isinstance(arm, str):
            plan.problems.append(f"{match.record.place}: {arm}.")
            continue
        plan.rows += [_row(match, unit, arm, released=rows.released) for unit in match.units]
        if matches.style is not None:
            plan.styles[arm.pk] = matches.style
    _plan_origins(plan, file, matches)


def _plan_origins(plan: _ImportPlan, file: Path, matches: Matches) -> None:
    origin = released_origin(file.name)
    if origin is None or matches.style in (None, PersonaStyle.NONE):
        return
    for match in matches.matched:
        for unit in match.units:
            if plan.origins.setdefault(unit.persona_id, origin) != origin:
                plan.problems.append(f"{match.record.place}: another file gives this persona another origin.")


def _row(match: Match, unit: GivenPersona, arm: Arm, *, released: bool) -> _Row:
    made = released_completion(match.record) if released else completion(match.record.values["text"])
    text = whole_answer(unit.answer_start, made.text)
    return _Row(match.record.place, unit, arm, text, made.finish_reason, match.rendered_prompt)


def _check_conflicts(plan: _ImportPlan, options: ImportOptions) -> None:
    """Add a problem for each unit and arm that would get a second, different text."""
    personas = {row.unit.persona_id for row in plan.rows}
    ready = Output.objects.filter(persona__in=personas, state=Output.State.READY)
    existing = {(output.persona_id, output.arm_id): output.text for output in ready}
    seen: dict[tuple[int, int], _Row] = {}
    for row in plan.rows:
        key = (row.unit.persona_id, row.arm.pk)
        first = seen.setdefault(key, row)
        if first.text != row.text:
            plan.problems.append(f"{row.place}: item {row.unit.item_key!r} has another text in {first.place}.")
        elif existing.get(key, row.text) != row.text and not options.replace:
            plan.problems.append(
                f"{row.place}: item {row.unit.item_key!r} already has another text for arm {row.arm.ordinal}; give "
                "--replace to overwrite it."
            )
    plan.rows = list(seen.values())


def _store(rows: Sequence[_Row], run: Run, bindings: Mapping[int, ArmBinding], options: ImportOptions) -> int:
    """Write the outputs with how they were made; return how many were new or replaced."""
    personas = Persona.objects.select_related("item").in_bulk([row.unit.persona_id for row in rows])
    stored = 0
    for row in rows:
        binding = bindings[row.arm.pk]
        output = output_import(
            persona=personas[row.unit.persona_id], arm=binding.arm, text=row.text, replace=options.replace
        )
        if output is None:
            continue
        made = {
            "run": run,
            "system": binding.system,
            "rendered_prompt": row.rendered_prompt,
            "finish_reason": row.finish_reason,
        }
        Generation.objects.update_or_create(output=output, defaults=made)
        stored += 1
    return stored


def _check_origins(plan: _ImportPlan) -> None:
    """Add a problem if the files' names contradict what an earlier import recorded of the same personas."""
    known = PersonaOrigin.objects.filter(persona__in=plan.origins)
    changed = [one for one in known if (one.direction, one.source) != plan.origins[one.persona_id]]
    if changed:
        direction, source = plan.origins[changed[0].persona_id]
        plan.problems.append(
            f"{len(changed)} personas were imported before as {changed[0].direction} ({changed[0].source}), and a file "
            f"name says now {direction} ({source}). Check which file is right."
        )


def _store_origins(origins: Mapping[int, tuple[str, str]], run: Run) -> None:
    known = set(PersonaOrigin.objects.filter(persona__in=origins).values_list("persona", flat=True))
    PersonaOrigin.objects.bulk_create(
        PersonaOrigin(persona_id=persona_id, direction=direction, source=source, run=run)
        for persona_id, (direction, source) in origins.items()
        if persona_id not in known
    )


def _units(study: Study) -> list[GivenPersona]:
    personas = given_personas(study).select_related("item")  # not those of planted pairs, whose texts the file brings
    return [
        GivenPersona(
            persona_id=persona.pk,
            persona_key=persona.key,
            persona=persona.text,
            item_key=persona.item.key,
            prompt=persona.item.prompt,
            answer_start=persona.item.answer_start,
        )
        for persona in personas
    ]


def _missing(study: Study) -> dict[str, int]:
    given = given_personas(study)
    missing = {arm.code: given.exclude(outputs__arm=arm).count() for arm in study.arms.all()}
    return {code: count for code, count in missing.items() if count}


def _run(wanted: OutputImport, reporting: Reporting) -> None:
    report = import_outputs(study=study_from_reference(wanted.study), files=wanted.files, options=wanted)
    reporting.say(
        f"Run {report.run.key}: {report.imported} outputs imported, {report.unchanged} were there already, "
        f"{report.skipped} rows belong to no item and persona."
    )
    for code, count in report.missing.items():
        reporting.say(f"{code}: {count} given personas still have no output.")


STAGE = Stage(
    name="import_outputs",
    summary=(
        "Import outputs from JSONL, CSV or Parquet (columns item, text, and as needed persona, arm or system), or "
        "from released files of rendered prompts and responses. Rows are matched by item and persona."
    ),
    unit="outputs",
    parameters=OutputImport,
    run=_run,
    leaves=NOTHING,
)
