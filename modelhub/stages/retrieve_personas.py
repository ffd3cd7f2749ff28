"""Store, for every pair, the training pairs with the prompts nearest to its own; their personas are the retrieved ones.

Source of the method: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), section on persona retrieval.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from django.db import transaction
from pydantic import Field

from annotation.errors import ServiceError
from modelhub.models import PreferencePair, RetrievedPersona, Run
from modelhub.retrieval.rows import Group
from modelhub.retrieval.search import RECALL_COMPARISONS, RECALL_QUERIES, Found, Nearest
from modelhub.runs.parameters import Option, PortionOptions, Positive
from modelhub.runs.recording import Execution, recorded_run
from modelhub.runs.stage import Remaining, Reporting, Stage
from modelhub.stages.shared.retrieving import Prepared, RetrievalOptions
from modelhub.stages.shared.retrieving_progress import shown, time_left

NAME = "retrieve_personas"
_REMOVED_AT_ONCE = 500
_DRY_RUN_PROMPTS = 2
_SEARCHED_AT_ONCE = 256  # so that reading what is searched takes next to nothing beside searching it


class RetrieveOptions(RetrievalOptions, PortionOptions):
    """What `retrieve_personas` can be told."""

    batch_size: Annotated[Positive, Option(metavar="N")] = Field(
        default=_SEARCHED_AT_ONCE, description="pairs that search together, and are stored at a time"
    )
    k: Annotated[Positive, Option(metavar="K")] = Field(default=1, description="rows found for each")
    again: bool = Field(
        default=False, description="remove what this checkpoint found among other rows, and retrieve anew"
    )


@dataclass(frozen=True)
class RetrievePersonas(Prepared):
    """What is to be retrieved: for all pairs of the groups' splits, the k nearest rows of what they search."""

    k: int = 1

    @property
    def retriever(self) -> str:
        return self.preparation.files.retriever

    @classmethod
    def wanted(cls, wanted: RetrieveOptions, reporting: Reporting) -> "RetrievePersonas":
        """Return what the options describe, and say what is searched; raise ServiceError for what cannot be."""
        prepared = Prepared.of(wanted, reporting)
        return cls(prepared.preparation, prepared.groups, prepared.system, wanted.k)


@dataclass
class RetrievalReport:
    """What a run did. `usage` says of every group how it was searched and, for an index, how often that was exact."""

    run: Run
    done: int = 0
    usage: dict[str, Any] = field(default_factory=dict)


def pairs_left(
    stage: RetrievePersonas, group: Group, options: PortionOptions, ignored: Collection[int] = ()
) -> list[PreferencePair]:
    """Return the pairs of the group and of this shard that have not all their k rows yet, in a fixed order.

    Stored rows whose ids are `ignored` do not count.
    """
    stored = RetrievedPersona.objects.filter(
        pair__dataset=stage.preparation.dataset, pair__split__in=group.splits, retriever=stage.retriever,
        rank__lte=stage.k,
    ).order_by()  # fmt: skip
    ranks = Counter(pair for pk, pair in stored.values_list("pk", "pair").iterator() if pk not in ignored)
    pairs = PreferencePair.objects.filter(dataset=stage.preparation.dataset, split__in=group.splits)
    return [
        pair
        for pair in pairs.order_by("split", "row").iterator()
        if ranks[pair.pk] < stage.k and options.shard.holds(f"{pair.dataset}/{pair.split}/{pair.key}")
    ]


def all_left(
    stage: RetrievePersonas, options: PortionOptions, ignored: Collection[int] = ()
) -> list[tuple[Group, list[PreferencePair]]]:
    """Return what there is to do now, group by group, at most `limit` pairs."""
    left, most = [], options.limit
    for group in stage.groups:
        pairs = pairs_left(stage, group, options, ignored)[:most]
        most = most if most is None else most - len(pairs)
        if pairs:
            left.append((group, pairs))
    return left


def retrieve_personas(stage: RetrievePersonas, options: RetrieveOptions, reporting: Reporting) -> RetrievalReport:
    """Retrieve for every pair that is left, batch by batch, and return what was done.

    `again` removes what the same checkpoint found among other rows, or in another way; without it such rows are a
    ServiceError. Raises ScopeTaken while another run does the same. Ctrl-C closes the run as stopped and goes on up.
    """
    _check_size(stage)
    others, difference = _found_otherwise(stage)
    if others and not options.again:
        raise ServiceError(
            f"{len(others)} rows were retrieved from other rows than now, or in another way ({difference}). --again "
            "removes them and retrieves anew; export what you need of them before."
        )
    left = all_left(stage, options, others)
    total = sum(len(pairs) for _, pairs in left)
    with recorded_run(
        stage=NAME, scope=_scope(stage, options), conditions=stage.conditions(),
        arguments={**options.stored(), **stage.arguments(), "conditions": stage.conditions()}, total=total,
        lease_seconds=options.lease_seconds, named=True,
    ) as execution:  # fmt: skip
        report = RetrievalReport(execution.run)
        execution.usage = lambda: report.usage
        _remove(others)

        def encoded(count: int) -> None:
            # Between two batches of prompts, a run that was taken over learns of it.
            execution.advance()
            reporting.advance(count)

        stage.preparation.on_prompts = encoded
        for group, pairs in left:
            began = time.monotonic()
            reporting.start(len(group.collection.prompts))  # the bar of what is encoded
            nearest = stage.preparation.nearest(group)
            seconds = time.monotonic() - began
            reporting.start(total)
            reporting.advance(report.done)
            searched = Searched(stage, group, nearest, seconds, stage.documents_cut(group, reporting))
            _retrieve(searched, pairs, options, report, execution, reporting)
    return report


@dataclass(frozen=True)
class Searched:
    """A group that is ready to be searched, the seconds that took, and how many of its prompts are read in part."""

    stage: RetrievePersonas
    group: Group
    nearest: Nearest
    preparing: float
    documents_cut: int


def _retrieve(
    searched: Searched,
    pairs: Sequence[PreferencePair],
    options: PortionOptions,
    report: RetrievalReport,
    execution: Execution,
    reporting: Reporting,
) -> None:
    stage, group, nearest = searched.stage, searched.group, searched.nearest
    began = time.monotonic()
    measured = _measured(len(pairs), len(group.collection.prompts))
    cut = 0
    for start in range(0, len(pairs), options.batch_size):
        batch = pairs[start : start + options.batch_size]
        prompts = [pair.prompt for pair in batch]
        queries = stage.preparation.encoder.queries(prompts)
        cut += stage.preparation.read.cut_queries(prompts)
        keys = [pair.key for pair in batch]
        flags = [number in measured for number in range(start, start + len(batch))]
        found = nearest.search(queries, keys, stage.k, measured=flags, on_share=shown(reporting, len(batch)))
        _store(stage, report.run, group, batch, found)
        report.done += len(batch)
        counts = {"queries": start + len(batch), "queries_cut": cut}
        report.usage[group.title] = _usage(searched, seconds := time.monotonic() - began) | counts
        execution.advance(len(batch))
        if start == 0 and (line := time_left(seconds, len(batch), len(pairs))):
            reporting.say(f"{group.title}: {line}.")


def _store(
    stage: RetrievePersonas,
    run: Run,
    group: Group,
    pairs: Sequence[PreferencePair],
    found: Sequence[Sequence[Found]],
) -> None:
    """Write a batch; ranks that are there already, from a smaller k or another run's shard, stay."""
    rows = [
        RetrievedPersona(
            pair=pair, source_id=group.ids[one.row], retriever=stage.retriever, rank=rank, score=one.score, run=run
        )
        for pair, nearest in zip(pairs, found, strict=True)
        for rank, one in enumerate(nearest, start=1)
    ]
    with transaction.atomic():
        RetrievedPersona.objects.bulk_create(rows, ignore_conflicts=True)


def _measured(queries: int, prompts: int) -> set[int]:
    """Return which queries show how often the index is exact: all of few, else some at equal distances."""
    if queries * prompts <= RECALL_COMPARISONS or queries <= RECALL_QUERIES:
        return set(range(queries))
    return {number * queries // RECALL_QUERIES for number in range(RECALL_QUERIES)}


def _usage(searched: Searched, searching: float) -> dict[str, Any]:
    stage, group, nearest = searched.stage, searched.group, searched.nearest
    usage: dict[str, Any] = {
        "search": stage.preparation.search_of(group),
        "rows": len(group.collection.rows),
        "left_out": group.left_out,
        "query_tokens": stage.preparation.read.query,
        "document_tokens": stage.preparation.read.document,
        "documents_cut": searched.documents_cut,
        "seconds_preparing": round(searched.preparing, 3),
        "seconds_searching": round(searching, 3),
    }
    if nearest.index is not None:
        usage["recall_queries"] = nearest.recall.queries
        usage["recall_found"] = nearest.recall.found
        usage["searched_exactly_for_lack_of_candidates"] = nearest.short
    return usage


def _check_size(stage: RetrievePersonas) -> None:
    for group in stage.groups:
        rows = len(group.collection.rows) - any(split in group.searched for split in group.splits)
        if stage.k > rows:
            raise ServiceError(f"--k is {stage.k}, but {group.title} there are only {rows} rows to find.")


def _found_otherwise(stage: RetrievePersonas) -> tuple[set[int], str]:
    """Return the stored rows of this checkpoint that were found under other conditions than now, and what differs."""
    found: set[int] = set()
    difference = ""
    for group in stage.groups:
        now = stage.conditions_of(group)
        for split in group.splits:
            rows = RetrievedPersona.objects.filter(
                pair__dataset=stage.preparation.dataset, pair__split=split, retriever=stage.retriever
            ).order_by()
            for run in Run.objects.filter(pk__in=rows.values("run")):
                then = run.conditions.get(split, {})
                if then != now:
                    found.update(rows.filter(run=run).values_list("pk", flat=True))
                    changed = [
                        f"{name} was {then.get(name)}, is {now.get(name)}"
                        for name in {**then, **now}
                        if then.get(name) != now.get(name)
                    ]
                    difference = difference or f"{split}: {'; '.join(changed)}"
    return found, difference


def _remove(rows: Collection[int]) -> None:
    ids = sorted(rows)
    with transaction.atomic():
        for start in range(0, len(ids), _REMOVED_AT_ONCE):
            RetrievedPersona.objects.filter(pk__in=ids[start : start + _REMOVED_AT_ONCE]).delete()


def _scope(stage: RetrievePersonas, options: PortionOptions) -> str:
    splits = json.dumps([list(group.splits) for group in stage.groups])
    digest = hashlib.sha256(splits.encode()).hexdigest()[:12]
    return f"{NAME}:{stage.preparation.dataset}:{digest}:{stage.retriever}:{options.shard}"


def _dry_run(wanted: RetrieveOptions, reporting: Reporting) -> None:
    stage = RetrievePersonas.wanted(wanted, reporting)
    pairs = [pair for _, left in all_left(stage, wanted) for pair in left]
    for pair in pairs[:_DRY_RUN_PROMPTS]:
        reporting.say(f"--- {pair.dataset}/{pair.split}/{pair.key}\n{pair.prompt}\n")
    reporting.say(f"{len(pairs)} pairs to retrieve for. Nothing was made or stored: this was a dry run.")


def _left(wanted: RetrieveOptions) -> Remaining:
    stage = RetrievePersonas.wanted(wanted, Reporting())
    return Remaining(sum(len(pairs) for _, pairs in all_left(stage, wanted)))


def _run(wanted: RetrieveOptions, reporting: Reporting) -> None:
    stage = RetrievePersonas.wanted(wanted, reporting)
    report = retrieve_personas(stage, wanted, reporting)
    for title, usage in report.usage.items():
        reporting.say(
            f"{title}: made ready in {usage['seconds_preparing']:.1f} s, searched in "
            f"{usage['seconds_searching']:.1f} s."
        )
        if usage["queries_cut"]:
            reporting.say(
                f"{usage['queries_cut']} of {usage['queries']} prompts that searched are longer than "
                f"{usage['query_tokens']} tokens; the rest of them was not read (--query-tokens)."
            )
        if "recall_queries" in usage:
            reporting.say(
                f"The exact best was among the index's candidates for {usage['recall_found']} of "
                f"{usage['recall_queries']} prompts that were searched exactly too."
            )
    reporting.say(f"Run {report.run.key}: retrieved for {report.done} pairs with {stage.retriever}.")


STAGE = Stage(
    name=NAME,
    summary="Retrieve, for imported pairs, the personas of the training pairs with the nearest prompts.",
    unit="pairs",
    parameters=RetrieveOptions,
    run=_run,
    dry_run=_dry_run,
    left=_left,
)
