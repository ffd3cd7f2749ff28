"""Read preference pairs, with the personas they bring, into the database: all that a call names, or nothing.

Imported again, what is there stays as it is.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from django.db import transaction
from pydantic import Field

from annotation.errors import ServiceError
from annotation.rowfiles import RecordError, file_sha256
from modelhub.engines import IMPORTED
from modelhub.files.pairs import DIRECTIONS, PersonaRow
from modelhub.files.personacolumns import LAYOUTS, name_problem
from modelhub.files.preferences import PreferenceRow, SplitRows, is_swapped, read_split, split_digest
from modelhub.files.problems import refusal
from modelhub.files.sources import SourceRows, read_sources
from modelhub.models import InferredPersona, PreferencePair, Run, System
from modelhub.prompting.layouts import PersonaStyle
from modelhub.runs.recording import recorded_run
from modelhub.runs.stage import Remaining, Reporting, Stage
from modelhub.screening.persona_flags import screen_persona
from modelhub.stages.shared.parameters import Name, OfPairFiles
from modelhub.stages.shared.retrieved import RetrievedReport, retrieved_rows, retrieved_store
from modelhub.systems.registering import system_register_imported

BATCH = 1000
NOTHING = "Nothing was imported."
LEASE_SECONDS = 3600  # one transaction writes all, and nothing can beat meanwhile


class PreferenceImport(OfPairFiles):
    """What is to be imported. Personas of no named system are those of "imported:" and the data set."""

    dataset: Name = Field(description="what the data set is called here")
    split: Name = Field(default="", description="of a file: its split; else the only split that is read")
    system: Name = Field(
        default="", description="what inferred the personas of rows that name none; default: imported:DATASET"
    )

    @property
    def system_name(self) -> str:
        return self.system or f"{IMPORTED}:{self.dataset}"


@dataclass
class SplitReport:
    """What became of one split. `digest` stands for all its pairs as they are stored now, in any order."""

    rows: SplitRows
    new: int = 0
    unchanged: int = 0
    contradictions: list[str] = field(default_factory=list)
    personas: int = 0
    personas_unchanged: int = 0
    personas_missing: int = 0
    flagged: int = 0
    retrieved: RetrievedReport = field(default_factory=RetrievedReport)
    digest: str = ""


@dataclass(frozen=True)
class PreferenceImportReport:
    """What an import did, by split."""

    run: Run
    splits: list[SplitReport]


@dataclass
class _Plan:
    """What is to be written of one split: `rows` agree with what is stored, whose ids `stored` has by key."""

    report: SplitReport
    rows: list[PreferenceRow]
    stored: dict[str, int] = field(default_factory=dict)
    new: list[PreferenceRow] = field(default_factory=list)
    personas: list[tuple[PreferenceRow, PersonaRow, list[dict[str, str]]]] = field(default_factory=list)


def import_preferences(
    wanted: PreferenceImport,
    reporting: Reporting,
) -> PreferenceImportReport:
    """Import every pair of the sources and return what was done and what a person should look at.

    Personas inferred from the pairs become those of the imported system, screened like any others; retrieved ones are
    traced to the training row they came from. Raises ServiceError listing everything that is wrong, and ScopeTaken
    while another import into the data set goes on; nothing is written then.
    """
    sources, splits = _read(wanted)
    total = sum(len(split.rows) for split in splits)
    with recorded_run(
        stage="import_preferences", arguments=_arguments(wanted, sources), inputs=sources.files,
        scope=f"import_preferences:{wanted.dataset}", total=total, lease_seconds=LEASE_SECONDS, renewed=False,
        leaves=NOTHING,
    ) as execution:  # fmt: skip
        reporting.start(total)
        plans = _plans(wanted, splits, reporting)
        with transaction.atomic():
            _store(wanted, plans, execution.run, [file_sha256(file) for file in sources.files])
        execution.advance(total)
    return PreferenceImportReport(execution.run, [plan.report for plan in plans])


def preferences_left(wanted: PreferenceImport) -> Remaining:
    """Count the pairs of the sources of which something is not stored: they or a persona. Raises as the import."""
    plans = _plans(wanted, _read(wanted)[1], Reporting())
    new = sum(len(plan.new) for plan in plans)
    left = sum(len({row.key for row in plan.new} | {row.key for row, *_ in plan.personas}) for plan in plans)
    if not left:  # only then can it be known where retrieved personas come from
        left = sum(
            len(retrieved_rows(wanted.dataset, plan.report.rows.name, plan.rows, plan.stored).found) for plan in plans
        )
    return Remaining(left, PreferencePair.objects.filter(dataset=wanted.dataset).count() - (left - new))


def _read(wanted: PreferenceImport) -> tuple[SourceRows, list[SplitRows]]:
    problems = [] if wanted.dataset else ["--dataset: give the data set a name."]
    if wrong := name_problem(wanted.system_name):
        problems.append(f"{wanted.system_name!r} would name what inferred the personas, and {wrong}.")
    try:
        sources = read_sources(wanted.sources, split=wanted.split, nested=wanted.columns.needed)
    except RecordError as error:
        raise ServiceError(refusal(problems + error.problems)) from error
    columns = replace(wanted.columns, system=wanted.system_name)
    splits = [
        read_split(name, records, columns, allow_empty=wanted.allow_empty) for name, records in sources.splits.items()
    ]
    problems += [problem for split in splits for problem in split.problems]
    if problems:
        raise ServiceError(refusal(problems))
    return sources, splits


def _arguments(wanted: PreferenceImport, sources: SourceRows) -> dict[str, object]:
    return wanted.stored() | {"system": wanted.system_name, "downloads": sources.downloads}


def _plans(wanted: PreferenceImport, splits: Sequence[SplitRows], reporting: Reporting) -> list[_Plan]:
    """Compare with what is stored; raise ServiceError if that says something else of a persona."""
    plans, problems = [], []
    names = {wanted.system_name} | {one.system for split in splits for row in split.rows for one in row.personas}
    for system in System.objects.filter(name__in=names).exclude(engine=IMPORTED).order_by("name"):
        problems.append(
            f"System {system.name!r} is a model that can be run. Give what was inferred elsewhere another name with "
            "--system."
        )
    for split in splits:
        plan = _plan_pairs(wanted.dataset, split)
        problems += _plan_personas(plan, wanted.dataset, reporting)
        plans.append(plan)
    if problems:
        raise ServiceError(refusal(problems))
    return plans


def _plan_pairs(dataset: str, split: SplitRows) -> _Plan:
    plan = _Plan(SplitReport(split, contradictions=list(split.contradictions)), split.rows)
    there = PreferencePair.objects.filter(dataset=dataset, split=split.name).values_list("key", "pk", "sha256")
    hashes = {key: sha256 for key, _, sha256 in there}
    plan.stored = {key: pk for key, pk, _ in there}
    plan.new = [row for row in split.rows if row.key not in plan.stored]
    changed = [row for row in split.rows if hashes.get(row.key, row.sha256) != row.sha256]
    swapped = {row.key: note for row in changed if (note := _swapped(row, plan.stored[row.key]))}
    plan.rows = [row for row in split.rows if row.key not in swapped]
    plan.report.contradictions += swapped.values()
    plan.report.new, plan.report.unchanged = len(plan.new), len(plan.rows) - len(plan.new)
    return plan


def _swapped(row: PreferenceRow, stored: int) -> str:
    """Return what to say if the stored pair has the sides the other way round; their personas would be, too."""
    pair = PreferencePair.objects.get(pk=stored)
    if not is_swapped(row.chosen, pair.chosen):
        return ""
    return f"{row.place}: stored as row {pair.row} with its sides swapped; what was chosen there stands."


def _plan_personas(plan: _Plan, dataset: str, reporting: Reporting) -> list[str]:
    """Screen the personas that are new; return where a stored one has another text."""
    stored = InferredPersona.objects.filter(pair__dataset=dataset, pair__split=plan.report.rows.name)
    columns = ("pair__key", "direction", "system__name", "text")
    known = {(key, side, system): text for key, side, system, text in stored.values_list(*columns)}
    problems = []
    for row in plan.rows:
        gold = row.of("gold")
        plan.report.personas_missing += len(set(DIRECTIONS) - {one.direction for one in gold})
        for one in gold:
            there = known.get((row.key, one.direction, one.system))
            if there is None:
                plan.personas.append((row, one, _flags(row, one.text)))
            elif there != one.text:
                problems.append(
                    f"{one.place}: another {one.direction} persona of this pair is stored; give these another --system."
                )
            else:
                plan.report.personas_unchanged += 1
        reporting.advance(1)
    plan.report.personas = len(plan.personas)
    plan.report.flagged = sum(bool(flags) for *_, flags in plan.personas)
    return problems


def _flags(row: PreferenceRow, text: str) -> list[dict[str, str]]:
    flags = screen_persona(text, prompt=row.prompt, responses=(row.chosen, row.rejected))
    return [{"kind": flag.kind, "detail": flag.detail} for flag in flags]


def _store(wanted: PreferenceImport, plans: Sequence[_Plan], run: Run, sha256s: Sequence[str]) -> None:
    for plan in plans:
        _store_pairs(wanted.dataset, plan, run)
    systems = _systems({one.system for plan in plans for _, one, _ in plan.personas}, sha256s)
    for plan in plans:
        _store_personas(plan, systems, run)
    for plan in plans:  # training rows of any split may be what a row was given
        report = plan.report
        report.retrieved = retrieved_store(
            dataset=wanted.dataset, split=report.rows.name, rows=plan.rows, ids=plan.stored, run=run
        )


def _store_pairs(dataset: str, plan: _Plan, run: Run) -> None:
    name = plan.report.rows.name
    created = PreferencePair.objects.bulk_create(
        (
            PreferencePair(
                dataset=dataset, split=name, key=row.key, row=row.row, prompt=row.prompt, chosen=row.chosen,
                rejected=row.rejected, sha256=row.sha256, run=run,
            )
            for row in plan.new
        ),
        batch_size=BATCH,
    )  # fmt: skip
    plan.stored |= {pair.key: pair.pk for pair in created}
    hashes = PreferencePair.objects.filter(dataset=dataset, split=name).values_list("sha256", flat=True)
    plan.report.digest = split_digest(hashes)


def _systems(names: Set[str], sha256s: Sequence[str]) -> dict[str, System]:
    """Return the systems of these names, registered now where they are new."""
    systems = {system.name: system for system in System.objects.filter(name__in=names)}
    for name in sorted(names - set(systems)):
        systems[name] = system_register_imported(name=name, persona_style=PersonaStyle.NONE, sha256s=sha256s)
    return systems


def _store_personas(plan: _Plan, systems: Mapping[str, System], run: Run) -> None:
    InferredPersona.objects.bulk_create(
        (
            InferredPersona(
                pair_id=plan.stored[row.key],
                direction=one.direction,
                system=systems[one.system],
                text=one.text,
                flags=flags,
                run=run,
            )
            for row, one, flags in plan.personas
        ),
        batch_size=BATCH,
    )


def _run(wanted: PreferenceImport, reporting: Reporting) -> None:
    report = import_preferences(wanted, reporting)
    lines = [line for split in report.splits for line in _lines(split)]
    reporting.say("\n".join([f"Run {report.run.key}: {wanted.dataset}", *lines]))


def _lines(split: SplitReport) -> Iterator[str]:
    yield f"{split.rows.name}: {split.new} pairs imported, {split.unchanged} were there already; SHA-256 {split.digest}"
    if split.personas or split.personas_unchanged:
        yield (
            f"  {split.personas} personas imported ({split.flagged} flagged), {split.personas_unchanged} were there "
            f"already, {split.personas_missing} are missing"
        )
    yield from split.retrieved.lines(split.rows.name)
    yield from replace(split.rows, contradictions=split.contradictions).notes()


STAGE = Stage(
    name="import_preferences",
    summary=(
        "Import preference pairs from Parquet, JSONL, JSON or CSV files, folders with a file per split, or the Hub "
        f"(hub:owner/name): {LAYOUTS}. Personas may be absent."
    ),
    unit="pairs",
    parameters=PreferenceImport,
    run=_run,
    leaves=NOTHING,
    left=preferences_left,
)
