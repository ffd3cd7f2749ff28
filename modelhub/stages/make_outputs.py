"""Make the outputs of a draft's given personas before it opens: to be looked at, and frozen by the opening."""

from typing import Annotated

from pydantic import Field

from annotation.errors import ServiceError
from annotation.models import Study, User
from annotation.services.outputs import outputs_request_draft
from annotation.studyref import study_from_reference
from modelhub.engines import IMPORTED
from modelhub.models import ArmBinding
from modelhub.runs.lifecycle import runs_mark_lost
from modelhub.runs.parameters import Lease, Option, Parameters
from modelhub.runs.stage import Reporting, Stage
from modelhub.stages.serve_outputs import BACK, LEASE_SECONDS, ServeOptions, serve
from modelhub.stages.shared import parameters as shared


class MakeOptions(Parameters):
    """What `make_outputs` can be told."""

    study: shared.Study = Field(description=shared.STUDY)
    lease_seconds: Annotated[Lease, Option(metavar="N")] = Field(
        default=LEASE_SECONDS, description="what a killed run held goes to others after this long"
    )


def draft_outputs_request(*, study: Study, user: User | None = None) -> int:
    """Queue what the given personas of a draft lack, and return how many outputs that is.

    Raises NotAllowedNow unless the study is a draft, and ServiceError if the system of an arm cannot answer.
    """
    bindings = ArmBinding.objects.filter(arm__study=study, system__engine=IMPORTED).select_related("arm")
    if imported := [binding.arm.code for binding in bindings]:
        raise ServiceError(f"{', '.join(imported)} of {study} have imported outputs only: nothing can answer for them.")
    return outputs_request_draft(study=study, user=user)


def _run(wanted: MakeOptions, reporting: Reporting) -> None:
    runs_mark_lost()
    study = study_from_reference(wanted.study)
    queued = draft_outputs_request(study=study)
    options = ServeOptions(once=True, study=f"{study.slug}@{study.version}", lease_seconds=wanted.lease_seconds)
    server = serve(options, reporting, stage=STAGE.name)
    run = server.execution.run
    reporting.say(
        f"Run {run.key} {run.state}: {queued} outputs were missing, {server.done} made, "
        f"{server.failed} attempts failed."
    )
    if server.failed:
        raise ServiceError(f"retry_outputs {wanted.study} says why outputs failed, and queues them again.")


STAGE = Stage(
    name="make_outputs",
    summary="Let the systems of a draft's arms answer its given personas now, to be scanned and frozen when it opens.",
    unit="outputs",
    parameters=MakeOptions,
    run=_run,
    leaves=BACK,
)
