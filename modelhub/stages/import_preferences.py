"""Read preference pairs, with the personas they bring, into the database: all that a call names, or nothing.

Imported again, what is there stays as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db import transaction

from annotation.errors import ServiceError
from modelhub.engines import IMPORTED
from modelhub.files.pairs import DIRECTIONS, Columns
from modelhub.files.preferences import PreferenceRow, SplitRows, is_swapped, read_split, split_digest
from modelhub.files.problems import refusal
from modelhub.files.records import RecordError, file_sha256
from modelhub.files.sources import SourceRows, read_sources
from modelhub.models import InferredPersona, PreferencePair, Run, System
from modelhub.runs.lifecycle import run_finish, run_heartbeat, run_start
from modelhub.screening.persona_flags import screen_persona
from modelhub.stages.import_retrieved import RetrievedReport, retrieved_store
from modelhub.systems.registering import system_register_imported

BATCH = 1000
LEASE_SECONDS = 3600  # one transaction writes all, and nothing can beat meanwhile
_LONGEST_NAME = 80


@dataclass(frozen=True)
class PreferenceImport:
    """What is to be imported. `system` names what inferred the personas; without it, "imported:" and the data set."""

    sources: Sequence[str]
    dataset: str
    split: str = ""
    columns: Columns = field(default_factory=Columns)
    system: str = ""
    allow_empty: bool = False

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
    personas: list[tuple[PreferenceRow, str, str, list[dict[str, str]]]] = field(default_factory=list)


def import_preferences(
    wanted: PreferenceImport,
    *,
    on_start: Callable[[int], object] = lambda total: None,
    on_rows: Callable[[int], object] = lambda count: None,
) -> PreferenceImportReport:
    """Import every pair of the sources and return what was done and what a person should look at.

    Personas inferred from the pairs become those of the imported system, screened like any others; retrieved ones are
    traced to the training row they came from. Raises ServiceError listing everything that is wrong, and ScopeTaken
    while another import into the data set goes on; nothing is written then.
    """
    sources, splits = _read(wanted)
    total = sum(len(split.rows) for split in splits)
    run = run_start(
        stage="import_preferences", arguments=_arguments(wanted, sources), inputs=sources.files,
        scope=f"import_preferences:{wanted.dataset}", total=total, lease_seconds=LEASE_SECONDS,
    )  # fmt: skip
    on_start(total)
    state, message = Run.State.FAILED, "It ended with an error; see the terminal. Nothing was imported."
    try:
        plans = _plans(wanted, splits, on_rows)
        with transaction.atomic():
            _store(wanted, plans, run, [file_sha256(file) for file in sources.files])
        run_heartbeat(run=run, done=total)
        state, message = Run.State.FINISHED, ""
    except KeyboardInterrupt:
        state, message = Run.State.STOPPED, "Stopped by a signal. Nothing was imported."
        raise
    except ServiceError as error:
        message = str(error)
        raise
    finally:
        run_finish(run=run, state=state, message=message)
    return PreferenceImportReport(run, [plan.report for plan in plans])


def _read(wanted: PreferenceImport) -> tuple[SourceRows, list[SplitRows]]:
    problems = [] if wanted.dataset.strip() else ["--dataset: give the data set a name."]
    if not wanted.dataset.isprintable() or wanted.dataset != wanted.dataset.strip():
        problems.append(f"{wanted.dataset!r}: names of data sets have no control characters, nor blanks at their ends.")
    problems += [
        f"{name!r}: names of data sets and systems have at most {_LONGEST_NAME} letters."
        for name in (wanted.dataset, wanted.system_name)
        if len(name) > _LONGEST_NAME
    ]
    try:
        sources = read_sources(wanted.sources, split=wanted.split)
    except RecordError as error:
        raise ServiceError(refusal(problems + error.problems)) from error
    splits = [
        read_split(name, records, wanted.columns, allow_empty=wanted.allow_empty)
        for name, records in sources.splits.items()
    ]
    problems += [problem for split in splits for problem in split.problems]
    if problems:
        raise ServiceError(refusal(problems))
    return sources, splits


def _arguments(wanted: PreferenceImport, sources: SourceRows) -> dict[str, object]:
    names = {name: getattr(wanted.columns, name) for name in ("prompt", "chosen", "rejected")}
    return {
        "sources": list(wanted.sources), "dataset": wanted.dataset, "split": wanted.split, "columns": names,
        "system": wanted.system_name, "allow_empty": wanted.allow_empty, "downloads": sources.downloads,
    }  # fmt: skip


def _plans(wanted: PreferenceImport, splits: Sequence[SplitRows], on_rows: Callable[[int], object]) -> list[_Plan]:
    """Compare with what is stored; raise ServiceError if that says something else of a persona."""
    plans, problems = [], []
    system = System.objects.filter(name=wanted.system_name).first()
    if system and system.engine != IMPORTED:
        raise ServiceError(
            f"System {system.name!r} is a model that can be run. Give what was inferred elsewhere another name with "
            "--system."
        )
    for split in splits:
        plan = _plan_pairs(wanted.dataset, split)
        problems += _plan_personas(plan, wanted.dataset, system, on_rows)
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


def _plan_personas(plan: _Plan, dataset: str, system: System | None, on_rows: Callable[[int], object]) -> list[str]:
    """Screen the personas that are new; return where a stored one has another text."""
    rows = InferredPersona.objects.filter(system=system, pair__dataset=dataset, pair__split=plan.report.rows.name)
    known = {(key, side): text for key, side, text in rows.values_list("pair__key", "direction", "text")}
    problems = []
    for row in plan.rows:
        for direction, text in zip(DIRECTIONS, row.gold, strict=True):
            there = known.get((row.key, direction))
            if not text:
                plan.report.personas_missing += 1
            elif there is None:
                plan.personas.append((row, direction, text, _flags(row, text)))
            elif there != text:
                problems.append(
                    f"{row.place}: another {direction} persona of this pair is stored; give these another --system."
                )
            else:
                plan.report.personas_unchanged += 1
        on_rows(1)
    plan.report.personas = len(plan.personas)
    plan.report.flagged = sum(bool(flags) for *_, flags in plan.personas)
    return problems


def _flags(row: PreferenceRow, text: str) -> list[dict[str, str]]:
    flags = screen_persona(text, prompt=row.prompt, responses=(row.chosen, row.rejected))
    return [{"kind": flag.kind, "detail": flag.detail} for flag in flags]


def _store(wanted: PreferenceImport, plans: Sequence[_Plan], run: Run, sha256s: Sequence[str]) -> None:
    for plan in plans:
        _store_pairs(wanted.dataset, plan, run)
    system = System.objects.filter(name=wanted.system_name).first()
    if system is None and any(plan.personas for plan in plans):
        system = system_register_imported(
            name=wanted.system_name, persona_style=System.PersonaStyle.NONE, sha256s=sha256s
        )
    for plan in plans:
        _store_personas(plan, system, run)
    for plan in plans:  # training rows of any split may be what a row was given
        report = plan.report
        report.retrieved = retrieved_store(
            dataset=wanted.dataset, split=report.rows.name, rows=plan.rows, ids=plan.stored, system=system, run=run
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


def _store_personas(plan: _Plan, system: System | None, run: Run) -> None:
    InferredPersona.objects.bulk_create(
        (
            InferredPersona(
                pair_id=plan.stored[row.key], direction=direction, system=system, text=text, flags=flags, run=run
            )
            for row, direction, text, flags in plan.personas
        ),
        batch_size=BATCH,
    )
