"""Encode the training prompts that personas are retrieved by, and index them, before anything is retrieved."""

import time

from modelhub.models import Run
from modelhub.runs.recording import recorded_run
from modelhub.runs.stage import Reporting, Stage
from modelhub.stages.shared.retrieving import Prepared, RetrievalOptions


def index_personas(prepared: Prepared, reporting: Reporting, *, lease_seconds: int) -> Run:
    """Make ready what the groups search, and return the run; what is ready already is not made again.

    Raises ServiceError if it cannot be made, and ScopeTaken while another run makes the same.
    """
    preparation, groups = prepared.preparation, prepared.groups
    total = sum(len(group.collection.prompts) for group in groups)
    searched = ";".join("+".join(group.searched) for group in groups)
    began = time.monotonic()
    with recorded_run(
        stage="index_personas",
        scope=f"index_personas:{preparation.dataset}:{searched}:{preparation.files.retriever}"[:200],
        arguments={
            **prepared.arguments(), "dataset": preparation.dataset, "conditions": prepared.conditions(),
            "lease_seconds": lease_seconds,
        },
        conditions=prepared.conditions(),
        total=total,
        lease_seconds=lease_seconds,
        named=True,
    ) as execution:  # fmt: skip
        cut: dict[str, int] = {}
        execution.usage = lambda: {
            "seconds": round(time.monotonic() - began, 3), "document_tokens": preparation.read.document,
            "documents_cut": cut,
        }  # fmt: skip
        reporting.start(total)

        def encoded(count: int) -> None:
            execution.advance(count)
            reporting.advance(count)

        preparation.on_prompts = encoded
        for group in groups:
            preparation.prepare(group)
            cut[group.title] = prepared.documents_cut(group, reporting)
    return execution.run


def _run(wanted: RetrievalOptions, reporting: Reporting) -> None:
    run = index_personas(Prepared.of(wanted, reporting), reporting, lease_seconds=wanted.lease_seconds)
    reporting.say(f"Run {run.key}: {run.done} of {run.total} prompts encoded, the others were ready.")


STAGE = Stage(
    name="index_personas",
    summary="Encode the training prompts that personas are retrieved by, and index them; retrieve_personas uses them.",
    unit="prompts",
    parameters=RetrievalOptions,
    run=_run,
)
