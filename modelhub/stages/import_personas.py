"""Read inferred personas from files into a draft persona assessment. All is checked before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from annotation.errors import ServiceError
from annotation.models import Study, User
from annotation.rowfiles import Record, RecordError, file_sha256
from annotation.studyref import study_from_reference
from modelhub.files.pairs import SOURCES, Columns, Pair
from modelhub.files.personacolumns import ENDINGS, LAYOUTS
from modelhub.files.preferences import PairReader, PreferenceRow, SplitRows
from modelhub.files.problems import refusal
from modelhub.files.sources import SourceRows, read_sources
from modelhub.runs.parameters import Option, Positive
from modelhub.runs.stage import Reporting, Stage
from modelhub.stages.shared import parameters as shared
from modelhub.stages.shared.study_personas import (
    NOTHING,
    StudyPersonasReport,
    study_personas_add,
    study_personas_conflicts,
    study_takes_personas,
)


class PersonaImport(shared.OfPairFiles, shared.OfStudy):
    """What `import_personas` can be told."""

    source: Annotated[str, Option(choices=lambda: SOURCES)] = Field(
        default="gold", description="which personas of a pair"
    )
    stratum: shared.Name = Field(default="", description="the data set of rows without one")
    limit: Annotated[Positive | None, Option(metavar="N")] = Field(
        default=None, description="only the first N pairs of each file"
    )

    @property
    def columns(self) -> Columns:
        """The names of the columns, and what holds where a row does not say."""
        return replace(super().columns, source=self.source, stratum=self.stratum)


@dataclass(frozen=True)
class PersonaImportReport:
    """What was brought into a study, and the rows that were read. Pairs without personas or responses were left out."""

    study: StudyPersonasReport
    rows: SplitRows
    left_out: int


def import_personas(
    *,
    study: Study,
    sources: Sequence[str],
    columns: Columns,
    limit: int | None = None,
    allow_empty: bool = False,
    user: User | None = None,
) -> PersonaImportReport:
    """Import the pairs of the sources (the first `limit` of each file) with their personas; return what was done.

    Each persona becomes a unit of the item made from its pair; both responses become outputs of two arms. Imported
    again, what is there already stays as it is.

    Raises NotAllowedNow unless the study is a draft that imports its items, and ServiceError listing everything that
    is wrong; nothing is written then.
    """
    study_takes_personas(study, Study.Kind.PERSONA_ASSESSMENT)
    reader = PairReader("", columns, allow_empty=allow_empty, wide=(columns.source,))
    found, problems = _read(sources, reader, columns, limit)
    rows = [row for row in reader.split.rows if row.personas and row.chosen and row.rejected]
    pairs = [_pair(row) for row in rows]
    problems += study_personas_conflicts(study, pairs)
    if problems:
        raise ServiceError(refusal(problems))
    report = study_personas_add(
        study=study,
        pairs=pairs,
        stage="import_personas",
        arguments={
            "study": str(study), "files": [file.name for file in found.files], **vars(columns), "limit": limit,
            "allow_empty": allow_empty, "downloads": found.downloads,
        },
        inputs=found.files,
        sha256s=[file_sha256(file) for file in found.files],
        user=user,
    )  # fmt: skip
    return PersonaImportReport(report, reader.split, len(reader.split.rows) - len(rows))


def _read(
    sources: Sequence[str], reader: PairReader, columns: Columns, limit: int | None
) -> tuple[SourceRows, list[str]]:
    """Read all sources as one split, file by file; return them with everything that is wrong."""
    found = SourceRows()
    unreadable: list[str] = []
    bare: list[str] = []
    for source in sources:
        try:
            rows = read_sources([source], named=False, nested=columns.needed)
        except RecordError as error:
            unreadable += error.problems
            continue
        found.files += rows.files
        found.downloads += rows.downloads
        for records in rows.splits.values():
            before = len(reader.split.problems)
            read = reader.read(records, limit=limit)
            if len(reader.split.problems) == before and not any(row.personas for row in read):
                bare.append(_bare(records, columns))
    return found, [*unreadable, *reader.split.problems, *bare]


def _bare(records: Sequence[Record], columns: Columns) -> str:
    wanted = " and ".join(
        " or ".join(f"{direction}_persona{ending}" for ending in ENDINGS[columns.source])
        for direction in ("chosen", "rejected")
    )
    return f"{records[0].place}: no row brings a persona, in {wanted}, or in persona with direction."


def _pair(row: PreferenceRow) -> Pair:
    return Pair(row.key, row.prompt.strip(), row.chosen.strip(), row.rejected.strip(), row.stratum, row.personas)


def _run(wanted: PersonaImport, reporting: Reporting) -> None:
    report = import_personas(
        study=study_from_reference(wanted.study), sources=wanted.sources, columns=wanted.columns, limit=wanted.limit,
        allow_empty=wanted.allow_empty,
    )  # fmt: skip
    made = report.study
    said = (
        f"Run {made.run.key}: {made.pairs} pairs read, {made.added} personas imported, {made.unchanged} were there "
        "already."
    )
    left_out = [f"  {report.left_out} pairs lack a persona or a response and were left out"] if report.left_out else []
    reporting.say("\n".join([said, *left_out, *report.rows.notes()]))


STAGE = Stage(
    name="import_personas",
    summary=(
        "Import preference pairs and the personas inferred from them (Parquet, JSONL, JSON or CSV files, folders, or "
        f"the Hub) into a draft whose file says `items: imported`: {LAYOUTS}."
    ),
    unit="personas",
    parameters=PersonaImport,
    run=_run,
    leaves=NOTHING,
)
