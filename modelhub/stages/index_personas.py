"""Encode the training prompts that personas are retrieved by, and index them, before anything is retrieved."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from modelhub.models import Run, System
from modelhub.retrieval.ready import Preparation
from modelhub.retrieval.recorded import work_recorded
from modelhub.retrieval.rows import Group
from modelhub.runs.lifecycle import LEASE_SECONDS, run_heartbeat, run_start


def index_personas(
    *,
    preparation: Preparation,
    groups: Sequence[Group],
    system: System,
    lease_seconds: int = LEASE_SECONDS,
    on_start: Callable[[int], object] = lambda total: None,
    on_rows: Callable[[int], object] = lambda count: None,
) -> Run:
    """Make ready what the groups search, and return the run; what is ready already is not made again.

    Raises ServiceError if it cannot be made, and ScopeTaken while another run makes the same.
    """
    total = sum(len(group.collection.prompts) for group in groups)
    searched = ";".join("+".join(group.searched) for group in groups)
    run = run_start(
        stage="index_personas",
        scope=f"index_personas:{preparation.dataset}:{searched}:{preparation.files.retriever}"[:200],
        arguments={**arguments_of(preparation, groups, system), "lease_seconds": lease_seconds},
        total=total,
        lease_seconds=lease_seconds,
    )
    on_start(total)

    def encoded(count: int) -> None:
        run_heartbeat(run=run, done=count, lease_seconds=lease_seconds)
        on_rows(count)

    preparation.on_prompts = encoded
    began = time.monotonic()

    def work() -> None:
        for group in groups:
            preparation.prepare(group)

    work_recorded(run, work, lease_seconds=lease_seconds, usage=lambda: {"seconds": round(time.monotonic() - began, 3)})
    return run


def arguments_of(preparation: Preparation, groups: Sequence[Group], system: System) -> dict[str, Any]:
    """Return what both stages keep with their runs: the checkpoint, and for every split what it searches and how."""
    return {
        "dataset": preparation.dataset,
        "system": system.name,
        "checkpoint": preparation.files.name,
        "checkpoint_sha256": preparation.files.digest,
        "conditions": {split: conditions(preparation, group, system) for group in groups for split in group.splits},
        "left_out": {group.title: group.left_out for group in groups},
    }


def conditions(preparation: Preparation, group: Group, system: System) -> dict[str, Any]:
    """Return all that decides, beside the checkpoint, what the rows of a group find."""
    return {
        "system": system.name,
        "searched": list(group.searched),
        "collection_sha256": group.collection.digest,
        "rows": len(group.collection.rows),
        "search": preparation.search_of(group),
    }
