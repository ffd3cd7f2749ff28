"""Read outputs that were made elsewhere for stored pairs: the released generations, or rows by key or prompt.

Everything is checked before anything is written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from django.db import transaction
from pydantic import Field

from annotation.errors import ServiceError
from annotation.rowfiles import Record, RecordError, file_sha256, read_records
from modelhub.engines import IMPORTED
from modelhub.files.personacolumns import text_of
from modelhub.files.problems import refusal
from modelhub.models import Generation, PairOutput, PersonaSource, PreferencePair, Run, System
from modelhub.prompting.layouts import PersonaStyle, render_prompt
from modelhub.queries.datasets import splits_of
from modelhub.queries.persona_sources import RETRIEVED, SourceTexts, persona_key, source_texts
from modelhub.queries.personas import retrievers_of
from modelhub.runs.parameters import Option
from modelhub.runs.recording import recorded_run
from modelhub.runs.stage import Reporting, Stage
from modelhub.stages.shared.matching import is_released, released_origin, shown
from modelhub.stages.shared.pairmatching import MatchedOutput, PairMatches, SplitUnits
from modelhub.stages.shared.parameters import Name, OfOrigin, OfSplit
from modelhub.stages.shared.persona_links import outputs_link
from modelhub.stages.shared.profiles import profile_of
from modelhub.systems.registering import system_register_imported

BATCH = 1000
NOTHING = "Nothing was imported."
LEASE_SECONDS = 3600  # one transaction writes all, and nothing can beat meanwhile
_SOURCES = {f"{source.partition('_')[0]} {source.partition('_')[2]}": source for source in PersonaSource}


class PairOutputImport(OfOrigin, OfSplit):
    """What is to be imported. `persona` applies to files whose name does not say where their personas come from."""

    files: Annotated[tuple[Path, ...], Option(metavar="FILE", positional=True)] = Field(
        description="JSONL, JSON, CSV or Parquet"
    )
    persona: Annotated[str | None, Option(choices=lambda: PersonaSource.values)] = Field(
        default=None, description="where personas come from, if no name says"
    )
    system: Name = Field(description="what made them; registered if it is new")
    allow_unmatched: bool = Field(default=False, description="leave out rows that belong to no pair")


@dataclass
class FileReport:
    """What became of one file: `from_file` counts the personas that were stored nowhere but there."""

    name: str
    source: str
    imported: int = 0
    unchanged: int = 0
    from_file: int = 0
    unmatched: Sequence[str] = ()


@dataclass(frozen=True)
class PairOutputImportReport:
    """What an import did, file by file."""

    run: Run
    files: list[FileReport]


@dataclass
class _FilePlan:
    report: FileReport
    styles: tuple[PersonaStyle, ...]
    rows: list[MatchedOutput]
    given: SourceTexts


def import_pair_outputs(wanted: PairOutputImport) -> PairOutputImportReport:
    """Import the files as outputs of one system, and return what was done.

    Raises ServiceError listing everything that is wrong in any of them; nothing is written then.
    """
    (split,) = splits_of(wanted.dataset, [wanted.split])
    files = wanted.files
    system = System.objects.filter(name=wanted.system).first()
    if system and system.engine != IMPORTED:
        raise ServiceError(
            f"{system.name} is a model that can be run. Import what was made elsewhere as another system."
        )
    plans, problems = _plans(files, split, wanted)
    problems += _conflicts(plans, system)
    problems += _style_problems(plans, system)
    if problems:
        raise ServiceError(refusal(problems))
    with recorded_run(
        stage="import_pair_outputs",
        arguments={**wanted.stored(), "files": [file.name for file in files]},
        inputs=files,
        scope=f"import_pair_outputs:{wanted.dataset}:{wanted.system}",
        total=sum(len(plan.rows) for plan in plans),
        lease_seconds=LEASE_SECONDS,
        renewed=False,
        leaves=NOTHING,
    ) as execution:
        with transaction.atomic():
            system = system or _register(wanted.system, plans, files)
            _settle_style(system, plans)
            for plan in plans:
                _store(plan, system, execution.run)
        execution.advance(sum(plan.report.imported for plan in plans))
        execution.remark = _message(plans)
    return PairOutputImportReport(execution.run, [plan.report for plan in plans])


def _plans(files: Sequence[Path], split: str, wanted: PairOutputImport) -> tuple[list[_FilePlan], list[str]]:
    profile = profile_of(wanted.profile or wanted.dataset)
    pairs = list(PreferencePair.objects.filter(dataset=wanted.dataset, split=split).order_by("row", "pk"))
    plans, problems = [], []
    for file in files:
        source = wanted.persona or released_source(file.name)
        if not source:
            problems.append(f"{file.name}: its name does not say where its personas come from; give --persona.")
            continue
        try:
            records = read_records(file)
        except RecordError as error:
            problems += error.problems
            continue
        if source in RETRIEVED and not retrievers_of(wanted.dataset, [split]):
            given = SourceTexts(source, {}, pairs)  # the file itself may know them
        else:
            given = source_texts(wanted.dataset, split, source, profile=profile, origin=wanted.origin)
        found, wrong = _match(records, SplitUnits(pairs, given, profile))
        problems += wrong if wrong or wanted.allow_unmatched else found.unmatched
        report = FileReport(file.name, source, from_file=found.from_file, unmatched=found.unmatched)
        plans.append(_FilePlan(report, found.styles, found.rows, given))
    return plans, problems


def released_source(file_name: str) -> str:
    """Return the source that a released file's name gives its personas, "" if it says nothing of them."""
    if "inference_type=none" in file_name:
        return PersonaSource.NONE
    origin = released_origin(file_name)
    return _SOURCES[f"{origin[1]} {origin[0]}"] if origin else ""


def _match(records: Sequence[Record], units: SplitUnits) -> tuple[PairMatches, list[str]]:
    released = is_released(records)
    problems = [line for record in records for line in _column_problems(record, released=released)]
    if problems:
        return PairMatches([], []), problems
    return (units.released(records) if released else units.generic(records)), []


def _column_problems(record: Record, *, released: bool) -> Iterable[str]:
    if not released and not ({"key", "prompt"} & set(record.values) and "text" in record.values):
        yield f"{record.place}: rows need text and key or prompt; or prompt and response, as in the released files."
    elif not isinstance(text := record.values["response" if released else "text"], str):
        yield f"{record.place}: {'response' if released else 'text'} must be a string, not {type(text).__name__}."
    problems: list[str] = []
    for name in ("response", "prompt") if released else ("text", "persona"):
        if isinstance(record.values.get(name), str):
            text_of(record, name, problems)
    yield from problems


def _conflicts(plans: Sequence[_FilePlan], system: System | None) -> list[str]:
    """Drop rows that repeat an output or are stored already; return those that say something else."""
    problems = []
    stored = PairOutput.objects.filter(system=system).order_by().values_list("pair", "source", "persona_key", "text")
    known = {(pair, source, key): text for pair, source, key, text in stored}
    seen: dict[tuple[int, str, str], MatchedOutput] = {}
    for plan in plans:
        new = []
        for row in plan.rows:
            key = (row.pair, plan.report.source, persona_key(row.persona))
            first = seen.setdefault(key, row)
            if first.text != row.text:
                problems.append(f"{row.place}: another text than in {first.place} for the same pair and persona.")
            elif known.get(key, row.text) != row.text:
                problems.append(
                    f"{row.place}: another text is stored for this pair and persona; name another --system."
                )
            elif key in known:
                plan.report.unchanged += 1
            elif first is row:
                new.append(row)
        plan.rows = new
    return problems


def _style_problems(plans: Sequence[_FilePlan], system: System | None) -> list[str]:
    """Return a problem if personas entered the prompts in two ways: these would be two systems."""
    if _common_style(plans, system) or not (shown := _shown_styles(plans, system)):
        return []
    names = ", ".join(sorted({str(style) for styles in shown for style in styles}))
    return [f"Personas entered these prompts in several ways ({names}): import them as systems of their own."]


def _common_style(plans: Sequence[_FilePlan], system: System | None) -> PersonaStyle | None:
    """Return the way in which all personas can have entered their prompts; the system's own, if it is one of them."""
    shown = _shown_styles(plans, system)
    common = [style for style in PersonaStyle if shown and all(style in styles for styles in shown)]
    return next((style for style in common if system and style == system.persona_style), next(iter(common), None))


def _shown_styles(plans: Sequence[_FilePlan], system: System | None) -> list[tuple[PersonaStyle, ...]]:
    """Return the styles that each file, and what is stored of the system, can have; what does not tell is left out."""
    shown = [plan.styles for plan in plans if plan.styles]
    return [*shown, stored] if system and shown and (stored := _stored_styles(system)) else shown


def _stored_styles(system: System) -> tuple[PersonaStyle, ...]:
    """Return the styles that give all stored prompts of the system; only its own where they do not tell."""
    outputs = list(system.pair_outputs.exclude(persona="").select_related("pair", "generation__shared_prompt"))
    prompts = [(one.pair.prompt, one.persona, one.generation.given_prompt) for one in outputs if one.generation]
    styles = tuple(
        style
        for style in PersonaStyle
        if prompts
        and all(
            shown(rendered).startswith(shown(render_prompt(prompt=prompt, persona=persona, style=style)))
            for prompt, persona, rendered in prompts
        )
    )
    return styles or ((PersonaStyle(system.persona_style),) if outputs else ())


def _register(name: str, plans: Sequence[_FilePlan], files: Sequence[Path]) -> System:
    style = _common_style(plans, None) or PersonaStyle.FIELD
    return system_register_imported(name=name, persona_style=style, sha256s=[file_sha256(file) for file in files])


def _settle_style(system: System, plans: Sequence[_FilePlan]) -> None:
    """Let a system have the style that its outputs show, once there are some that tell it."""
    style = _common_style(plans, system)
    if style and style != system.persona_style:
        System.objects.filter(pk=system.pk).update(persona_style=style)


def _store(plan: _FilePlan, system: System, run: Run) -> None:
    generations = Generation.objects.bulk_create(
        (
            Generation(
                run=run, system=system, text=row.completion, rendered_prompt=row.rendered_prompt,
                finish_reason=row.finish_reason,
            )
            for row in plan.rows if row.rendered_prompt
        ),
        batch_size=BATCH,
    )  # fmt: skip
    made = iter(generations)
    outputs = PairOutput.objects.bulk_create(
        (
            PairOutput(
                system=system, pair_id=row.pair, source=plan.report.source, persona=row.persona,
                persona_key=persona_key(row.persona), text=row.text, run=run,
                generation=next(made) if row.rendered_prompt else None,
            )
            for row in plan.rows
        ),
        batch_size=BATCH,
    )  # fmt: skip
    outputs_link(system.pair_outputs.all(), plan.given)
    plan.report.imported = len(outputs)


def _message(plans: Sequence[_FilePlan]) -> str:
    unmatched = sum(len(plan.report.unmatched) for plan in plans)
    return f"{unmatched} rows belong to no pair and persona of the split; they were left out." if unmatched else ""


def _run(wanted: PairOutputImport, reporting: Reporting) -> None:
    report = import_pair_outputs(wanted)
    for file in report.files:
        reporting.say(
            f"{file.name}: {file.imported} outputs imported ({file.source}), {file.unchanged} were there already, "
            f"{len(file.unmatched)} belong to no pair and persona."
        )
        if file.from_file:
            reporting.say(f"The personas of {file.from_file} of them are stored nowhere else.")
        for line in file.unmatched:
            reporting.say(f"- {line}")
    reporting.say(f"Run {report.run.key}.")


STAGE = Stage(
    name="import_pair_outputs",
    summary="Import outputs for stored pairs that were made elsewhere, such as the released generations.",
    unit="outputs",
    parameters=PairOutputImport,
    run=_run,
    leaves=NOTHING,
)
