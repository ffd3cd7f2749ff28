"""Bring prompts, each with its stored personas, into a draft output rating; outputs are made or imported later."""

from pydantic import Field

from annotation.models import Study
from annotation.studyref import study_from_reference
from modelhub.queries.datasets import splits_of
from modelhub.runs.stage import Reporting, Stage
from modelhub.stages.shared.filling import FillOptions, fill_study, report_filled
from modelhub.stages.shared.parameters import Place
from modelhub.stages.shared.profiles import profile_of
from modelhub.stages.shared.study_personas import NOTHING, study_takes_personas


class FillToRate(FillOptions):
    """What `add_personas_to_rate` can be told."""

    profile: Place = Field(default="", description="or a YAML file, for how answers start; default: the data set")


def _run(wanted: FillToRate, reporting: Reporting) -> None:
    study = study_from_reference(wanted.study)
    study_takes_personas(study, Study.Kind.OUTPUT_RATING)
    for dataset in wanted.dataset:
        splits_of(dataset, wanted.split)  # before the profiles: a wrong name is no missing profile
    profiles = {dataset: profile_of(wanted.profile or dataset) for dataset in wanted.dataset}
    report_filled(fill_study(study, wanted, STAGE.name, profiles), reporting)


STAGE = Stage(
    name="add_personas_to_rate",
    summary="Bring prompts with inferred or retrieved personas into a draft output rating (items: imported).",
    unit="personas",
    parameters=FillToRate,
    run=_run,
    leaves=NOTHING,
)
