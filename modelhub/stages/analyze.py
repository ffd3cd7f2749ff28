"""Analyse a study, unblinded, and write its report: text, tables, figures, results and a datasheet."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from annotation.errors import ServiceError
from annotation.export import export_refusal
from annotation.models import Study
from annotation.services.log import audit_log
from annotation.studyref import study_from_reference
from modelhub.access import analyst_named
from modelhub.analysis.data import Data, load_data
from modelhub.analysis.judge import read_judgements
from modelhub.analysis.results import analyze_data, parts_of
from modelhub.report.bundle import bundle_refusal, bundle_write
from modelhub.report.figures.paper import width_in_inches
from modelhub.report.sections.document import Document
from modelhub.results.report import Results
from modelhub.runs.parameters import Option, Seed
from modelhub.runs.recording import Execution, recorded_run
from modelhub.runs.stage import Reporting, Stage
from modelhub.stages.shared.parameters import OfStudy, Place
from modelhub.stats.bootstrap import REPLICATES
from modelhub.stats.winrate import Verdict

FEWEST_REPLICATES = 100
NOTHING = "Nothing was written."
System = Annotated[str, Option(metavar="SYSTEM")]


class ReportOptions(OfStudy):
    """What `analyze` can be told."""

    out: Annotated[Path, Option(metavar="DIR")] = Field(description="made if it does not exist")
    replace: bool = Field(default=False, description="overwrite the report that is in DIR")
    base: System = Field(default="", description="compare with this one: a system's name or arm number")
    test: System = Field(default="", description="compare this one with the base")
    judgements: Annotated[Path | None, Option(metavar="FILE")] = Field(
        default=None, description="verdicts of an LLM judge, as win_rates reads"
    )
    seed: Seed = Field(default=0, description="of everything that is drawn")
    replicates: Annotated[int, Field(ge=FEWEST_REPLICATES)] = Field(
        default=REPLICATES, description="of the bootstrap, at least 100"
    )
    figure_width: Annotated[str, Option(metavar="WIDTH")] = Field(
        default="double", description="of the figures' files: single, double, or inches"
    )
    include_bots: bool = Field(default=False, description="bots too, for rehearsals")
    user: Place = Field(default="", description="on whose behalf; needs the permission to unblind")

    @field_validator("figure_width")
    @classmethod
    def _known_width(cls, value: str) -> str:
        width_in_inches(value)
        return value


def analyze(options: ReportOptions, reporting: Reporting) -> None:
    """Write the report of a study. Logged. The directory is written whole or not at all.

    Raises ServiceError for what cannot be analysed, or written where it is to be.
    """
    study = study_from_reference(options.study)
    if refusal := export_refusal(study) or bundle_refusal(options.out, replace=options.replace):
        raise ServiceError(refusal)
    user = analyst_named(options.user, study) if options.user else None
    judgements = _judgements(options.judgements, study)
    with (
        recorded_run(
            stage="analyze",
            study=study,
            arguments=options.stored(),
            inputs=[options.judgements] if options.judgements else [],
            seed=options.seed,
            leaves=NOTHING,
        ) as execution,
        _without_collecting(),
    ):
        # Logged before anything is read: an analysis that fails half-way has still been looked at.
        audit_log(user=user, action="analyze", study=study, command=execution.run.command)
        data = load_data(study, include_bots=options.include_bots, base=options.base or None, test=options.test or None)
        results = _results(options, data, judgements, execution, reporting)
        document = _written(options, data, results)
    reporting.say(
        f"{options.out}/report.html: {results.primary.participants} participants, {len(document.tables)} tables, "
        f"{len(document.figures)} figures. This report is unblinded."
    )


def _results(
    options: ReportOptions, data: Data, judgements: list[Verdict] | None, execution: Execution, reporting: Reporting
) -> Results:
    parts = parts_of(data)
    execution.expect(parts)
    reporting.start(parts)

    def advance(count: int) -> None:
        execution.advance(count)
        reporting.advance(count)

    return analyze_data(
        data,
        seed=options.seed,
        replicates=options.replicates,
        judgements=judgements,
        command=execution.run.command,
        include_bots=options.include_bots,
        advance=advance,
    )


def _written(options: ReportOptions, data: Data, results: Results) -> Document:
    width = width_in_inches(options.figure_width)
    try:
        return bundle_write(
            directory=options.out, results=results, data=data, replace=options.replace, figure_width=width
        )
    except OSError as error:
        raise ServiceError(f"The report cannot be written to {options.out}: {error}") from error


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Let nobody look for cycles among hundreds of thousands of rows that all stay: it takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _judgements(path: Path | None, study: Study) -> list[Verdict] | None:
    if path is None:
        return None
    return read_judgements(path, list(study.aspects.values_list("key", flat=True)))


STAGE = Stage(
    name="analyze",
    summary="Analyse a study, unblinded, and write its report: text, tables, figures, results and a datasheet. Logged.",
    unit="parts of the results",
    parameters=ReportOptions,
    run=analyze,
    leaves=NOTHING,
)
