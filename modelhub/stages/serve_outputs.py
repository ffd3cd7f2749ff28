"""Make the outputs that participants are waiting for. Requested outputs are the queue; see services/queue.py."""

from typing import Annotated

from pydantic import Field

from annotation.errors import ServiceError
from annotation.models import Output, Study
from annotation.studyref import study_from_reference
from modelhub.live.dispatcher import Dispatcher, Limits
from modelhub.live.figures import WorkerFigures, served
from modelhub.runs.lifecycle import runs_mark_lost
from modelhub.runs.parameters import Lease, Option, Parameters
from modelhub.runs.recording import recorded_run
from modelhub.runs.stage import Reporting, Stage
from modelhub.stages.shared import parameters as shared
from personaeval.outages import database_await

BACK = "What was not finished went back to the queue."
# Short, since people wait for what a killed worker held; it is renewed three times as often.
LEASE_SECONDS = 20

DATABASE_SECONDS = 60.0  # that a worker which is to stay waits for a database that restarts with it


class ServeOptions(Parameters):
    """What a worker can be told. `once` ends when nothing is left to make; times are in seconds."""

    once: bool = Field(default=False, description="empty the queue and exit")
    study: Annotated[str, Option(metavar="STUDY")] = Field(default="", description=f"one study alone: {shared.STUDY}")
    poll_seconds: Annotated[float, Option(metavar="S")] = Field(
        default=0.25, gt=0, description="pause when nothing is left"
    )
    output_seconds: Annotated[float, Option(metavar="S")] = Field(
        default=120.0, gt=0, description="an attempt that takes longer is given up"
    )
    lease_seconds: Annotated[Lease, Option(metavar="N")] = Field(
        default=LEASE_SECONDS, description="what a killed worker held goes to others after this long"
    )
    metrics_port: Annotated[int, Option(metavar="PORT")] = Field(
        default=0, ge=0, le=65535, description="tell Prometheus figures at this port; 0: do not"
    )
    metrics_host: Annotated[str, Option(metavar="HOST")] = Field(
        default="127.0.0.1", min_length=1, description="the address of that port"
    )

    def limits(self) -> Limits:
        """Return what the dispatcher is held to."""
        return Limits(
            once=self.once,
            poll_seconds=self.poll_seconds,
            output_seconds=self.output_seconds,
            lease_seconds=self.lease_seconds,
        )


def serve(options: ServeOptions, reporting: Reporting, *, stage: str) -> Dispatcher:
    """Record a run, serve until done or stopped, and return the worker with its counts.

    Workers are meant to be stopped by a signal; that is no error, unlike anything else that ends one. Raises
    ServiceError if it was to empty the queue, and systems could not be asked.
    """
    if not options.once:
        database_await(seconds=DATABASE_SECONDS)
    runs_mark_lost()
    study = study_from_reference(options.study) if options.study else None
    server, figures = None, WorkerFigures()
    try:
        with (
            served(figures, host=options.metrics_host, port=options.metrics_port),
            recorded_run(
                stage=stage, study=study, arguments=options.stored(), lease_seconds=options.lease_seconds, leaves=BACK
            ) as execution,
        ):
            server = Dispatcher(execution, options.limits(), reporting, study, figures)
            reporting.start(_requested(study) if options.once else 0)
            server.serve()
            if reasons := server.reasons():
                raise ServiceError("\n".join(["What is left could not be made:", *reasons]))
    except KeyboardInterrupt:
        if server is None:
            raise
    return server


def _requested(study: Study | None) -> int:
    """Return how many outputs wait."""
    requested = Output.objects.filter(state=Output.State.REQUESTED)
    return (requested if study is None else requested.filter(arm__study=study)).count()


def _run(wanted: ServeOptions, reporting: Reporting) -> None:
    server = serve(wanted, reporting, stage=STAGE.name)
    run = server.execution.run
    reporting.say(f"Run {run.key} {run.state}: {server.done} outputs made, {server.failed} attempts failed.")


STAGE = Stage(
    name="serve_outputs",
    summary="Claim requested outputs, generate them, fill them in. Any number of workers may run on one database.",
    unit="outputs",
    parameters=ServeOptions,
    run=_run,
    leaves=BACK,
)
