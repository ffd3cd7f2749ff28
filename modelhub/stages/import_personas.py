"""Read inferred personas from files into a draft persona assessment. All is checked before anything is written."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from annotation.errors import ServiceError
from annotation.models import Study, User
from annotation.studyref import study_from_reference
from modelhub.files.pairs import SOURCES, Columns, Pair, PersonaRow, read_pairs
from modelhub.files.problems import refusal
from modelhub.files.records import RecordError, file_sha256, read_records
from modelhub.runs.parameters import Option, Positive
from modelhub.runs.stage import Reporting, Stage
from modelhub.stages.shared import parameters as shared
from modelhub.stages.shared.study_personas import (
    NOTHING,
    Condition,
    StudyPersonasReport,
    condition_of,
    study_personas_add,
    study_personas_conflicts,
    study_takes_personas,
)


class PersonaImport(shared.OfColumns):
    """What `import_personas` can be told."""

    study: shared.Study = Field(description=shared.STUDY)
    files: Annotated[tuple[Path, ...], Option(metavar="FILE", positional=True)] = Field(
        description="Parquet, JSONL or CSV"
    )
    source: Annotated[str, Option(choices=lambda: SOURCES)] = Field(
        default="gold", description="which personas of a pair"
    )
    system: shared.Name = Field(default="", description="what inferred the personas of rows without one")
    stratum: shared.Name = Field(default="", description="the data set of rows without one")
    limit: Annotated[Positive | None, Option(metavar="N")] = Field(
        default=None, description="only the first N pairs of each file"
    )

    @property
    def columns(self) -> Columns:
        """The names of the columns, and what holds where a row does not say."""
        return Columns(
            prompt=self.prompt_column,
            chosen=self.chosen_column,
            rejected=self.rejected_column,
            source=self.source,
            system=self.system,
            stratum=self.stratum,
        )


def import_personas(
    *, study: Study, files: Sequence[Path], columns: Columns, limit: int | None = None, user: User | None = None
) -> StudyPersonasReport:
    """Import the pairs of the files (the first `limit` of each) with their personas, and return what was done.

    Each persona becomes a unit of the item made from its pair; both responses become outputs of two arms. Imported
    again, what is there already stays as it is.

    Raises NotAllowedNow unless the study is a draft that imports its items, and ServiceError listing everything that
    is wrong; nothing is written then.
    """
    study_takes_personas(study, Study.Kind.PERSONA_ASSESSMENT)
    pairs, problems = _read(files, columns, limit)
    problems += study_personas_conflicts(study, pairs)
    if problems:
        raise ServiceError(refusal(problems))
    return study_personas_add(
        study=study,
        pairs=pairs,
        stage="import_personas",
        arguments={
            "study": str(study), "files": [file.name for file in files], **vars(columns), "limit": limit,
        },
        inputs=files,
        sha256s=[file_sha256(file) for file in files],
        user=user,
    )  # fmt: skip


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
            first = seen.setdefault(condition_of(row), row)
            if first is row:
                continue
            pair.personas.remove(row)
            if first.text != row.text:
                problems.append(f"{row.place}: {first.place} has another {row.direction} persona of this pair.")
    return problems


def _run(wanted: PersonaImport, reporting: Reporting) -> None:
    report = import_personas(
        study=study_from_reference(wanted.study), files=wanted.files, columns=wanted.columns, limit=wanted.limit
    )
    reporting.say(
        f"Run {report.run.key}: {report.pairs} pairs read, {report.added} personas imported, {report.unchanged} were "
        "there already."
    )


STAGE = Stage(
    name="import_personas",
    summary=(
        "Import preference pairs and the personas inferred from them (Parquet, JSONL or CSV) into a draft whose file "
        "says `items: imported`: columns prompt, chosen, rejected with chosen_persona and rejected_persona (or "
        "…_gold, …_retr), or with persona, direction and system, one row per persona."
    ),
    unit="personas",
    parameters=PersonaImport,
    run=_run,
    leaves=NOTHING,
)
