"""Make the outputs of a draft's given personas before it opens: to be looked at, and frozen by the opening."""

from annotation.errors import ServiceError
from annotation.models import Study, User
from annotation.services.outputs import outputs_request_draft
from modelhub.engines import IMPORTED
from modelhub.models import ArmBinding, Run
from modelhub.runs.lifecycle import run_start
from modelhub.stages.serve_outputs import ServeOptions, Server


def draft_outputs_request(*, study: Study, user: User | None = None) -> int:
    """Queue what the given personas of a draft lack, and return how many outputs that is.

    Raises NotAllowedNow unless the study is a draft, and ServiceError if the system of an arm cannot answer.
    """
    bindings = ArmBinding.objects.filter(arm__study=study, system__engine=IMPORTED).select_related("arm")
    if imported := [binding.arm.code for binding in bindings]:
        raise ServiceError(f"{', '.join(imported)} of {study} have imported outputs only: nothing can answer for them.")
    return outputs_request_draft(study=study, user=user)


def draft_server(*, study: Study, batch_size: int, lease_seconds: int) -> Server:
    """Return a worker, with its run, that makes the outputs of this study alone and then ends."""
    options = ServeOptions(
        batch_size=batch_size, poll_seconds=1.0, lease_seconds=lease_seconds, once=True, study=study
    )  # fmt: skip
    run: Run = run_start(
        stage="make_outputs",
        study=study,
        arguments={"study": str(study), "batch_size": batch_size, "lease_seconds": lease_seconds},
        lease_seconds=lease_seconds,
    )
    return Server(run=run, options=options)
