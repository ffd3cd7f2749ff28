"""Bring stored personas, with the pairs they explain, into a draft persona assessment."""

from annotation.models import Study
from annotation.studyref import study_from_reference
from modelhub.runs.stage import Reporting, Stage
from modelhub.stages.shared.filling import FillOptions, fill_study, report_filled
from modelhub.stages.shared.study_personas import NOTHING, study_takes_personas


def _run(wanted: FillOptions, reporting: Reporting) -> None:
    study = study_from_reference(wanted.study)
    study_takes_personas(study, Study.Kind.PERSONA_ASSESSMENT)
    report_filled(fill_study(study, wanted, STAGE.name), reporting)


STAGE = Stage(
    name="add_inferred_personas",
    summary="Bring inferred or retrieved personas, with their pairs, into a draft assessment (items: imported).",
    unit="personas",
    parameters=FillOptions,
    run=_run,
    leaves=NOTHING,
)
