"""Leave out answers that loop, in all systems of a comparison alike: marked, logged, reversible, never deleted.

Source of the measure: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), which leaves out repetitive outputs.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from django.db import transaction
from django.db.models import QuerySet

from annotation.errors import ServiceError
from modelhub.models import PairOutput, Run, System
from modelhub.queries.datasets import splits_of, system_named
from modelhub.runs.lifecycle import run_finish, run_heartbeat, run_start
from modelhub.screening.scan import LOOP_GRAM, LOOP_SHARE, repeated_share

_MARK = "loop: "
_LONGEST = PairOutput._meta.get_field("excluded_reason").max_length or 0


@dataclass(frozen=True)
class FilterWanted:
    """Which outputs belong to one comparison: those of a pair by these systems, with personas of these sources."""

    dataset: str
    split: str
    systems: Sequence[str]
    sources: Sequence[str]
    share: float = LOOP_SHARE


@dataclass(frozen=True)
class FilterReport:
    """What the filter did: pairs looked at and left out, outputs newly marked, looping outputs by system."""

    run: Run
    pairs: int
    excluded: int
    marked: int
    loops: dict[str, int]


def filter_outputs(wanted: FilterWanted) -> FilterReport:
    """Mark every output of a pair in which any of the systems loops, or is left out already.

    An output loops if more than `share` of its 5-word sequences occurred in it before. Raises ServiceError for unknown
    names, and where a system has no such outputs.
    """
    found = _outputs(wanted)
    by_pair: dict[int, list[PairOutput]] = defaultdict(list)
    for output in found:
        by_pair[output.pair_id].append(output)
    loops: Counter[str] = Counter(dict.fromkeys(wanted.systems, 0))
    reasons: dict[int, str] = {}
    for pair, outputs in by_pair.items():
        shares = {output: repeated_share(output.text) for output in outputs}
        looping = [output for output in outputs if shares[output] > wanted.share]
        loops.update(output.system.name for output in looping)
        reason = _reason(looping, shares) or next((one.excluded_reason for one in outputs if one.excluded_reason), "")
        if reason:
            reasons[pair] = reason
    to_mark = [one for pair in reasons for one in by_pair[pair] if not one.excluded_reason]
    run = _logged(wanted, "mark", total=len(found), changed=len(to_mark), loops=loops, pairs=len(reasons))
    with transaction.atomic():
        for output in to_mark:
            PairOutput.objects.filter(pk=output.pk, excluded_reason="").update(excluded_reason=reasons[output.pair_id])
    _close(run, len(to_mark))
    return FilterReport(run, len(by_pair), len(reasons), len(to_mark), dict(loops))


def filter_undo(wanted: FilterWanted) -> FilterReport:
    """Take the marks of `filter_outputs` away from these outputs. Raises as `filter_outputs` does."""
    found = _outputs(wanted)
    marked = [output for output in found if output.excluded_reason.startswith(_MARK)]
    pairs = {output.pair_id for output in marked}
    run = _logged(wanted, "undo", total=len(found), changed=len(marked), loops={}, pairs=len(pairs))
    with transaction.atomic():
        for output in marked:
            PairOutput.objects.filter(pk=output.pk, excluded_reason__startswith=_MARK).update(excluded_reason="")
    _close(run, len(marked))
    return FilterReport(run, len({output.pair_id for output in found}), len(pairs), len(marked), {})


def _outputs(wanted: FilterWanted) -> list[PairOutput]:
    if not 0 < wanted.share < 1:
        raise ServiceError(f"--share is {wanted.share}; it must lie between 0 and 1.")
    (split,) = splits_of(wanted.dataset, [wanted.split])
    systems = [system_named(name) for name in dict.fromkeys(wanted.systems)]
    outputs = _of(wanted, split, systems)
    there = set(outputs.order_by().values_list("system__name", "source").distinct())
    absent = [
        f"{system.name} with {source}"
        for system in systems
        for source in wanted.sources
        if (system.name, source) not in there
    ]
    # A generic system may have outputs without a persona alone, but each system needs some, and each source too.
    without = [system.name for system in systems if not any(name == system.name for name, _ in there)]
    unused = [source for source in wanted.sources if not any(one == source for _, one in there)]
    if without or unused:
        raise ServiceError(f"No outputs for {wanted.dataset}/{split}: {', '.join(absent)}. See generate.")
    return list(outputs.select_related("system").order_by("pk"))


def _of(wanted: FilterWanted, split: str, systems: Sequence[System]) -> QuerySet[PairOutput]:
    return PairOutput.objects.filter(
        pair__dataset=wanted.dataset, pair__split=split, system__in=systems, source__in=wanted.sources
    )


def _reason(looping: Sequence[PairOutput], shares: dict[PairOutput, float]) -> str:
    if not looping:
        return ""
    worst = max(looping, key=lambda output: shares[output])
    more = f" and {len(looping) - 1} more" if len(looping) > 1 else ""
    said = f"{_MARK}{shares[worst]:.0%} of {LOOP_GRAM}-word sequences repeated by {worst.system.name}{more}"
    return said[:_LONGEST]


def _logged(wanted: FilterWanted, action: str, *, total: int, changed: int, loops: dict[str, int], pairs: int) -> Run:
    counts = {"outputs_changed": changed, "pairs_left_out": pairs, "looping_outputs": dict(loops)}
    return run_start(
        stage="filter_outputs",
        arguments={**asdict(wanted), "action": action, "counts": counts},
        scope=f"filter_outputs:{wanted.dataset}:{wanted.split}"[:200],
        total=total,
    )


def _close(run: Run, changed: int) -> None:
    run_heartbeat(run=run, done=changed)
    run_finish(run=run, state=Run.State.FINISHED)
